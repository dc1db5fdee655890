// SPDX-License-Identifier: Apache-2.0
// postbearer login against the rehearsal's Entra: consent to one resource after the other, who it
// was that signed in, and logins that come to nothing.
#include <boost/test/unit_test.hpp>
#include <regex>

#include "tests/e2e/delegated_rig.hh"
#include "tests/e2e/login_dialogue.hh"

using namespace postbearer::test;

namespace {

constexpr const char* kCode = "enter this code:\\s+(\\S+)";

bool says(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

/// All that it has shown by then.
std::vector<std::string> codes_in(const std::string& text) {
    std::vector<std::string> codes;
    const std::regex pattern(std::string(kCode) + "\n");
    for (auto found = std::sregex_iterator(text.begin(), text.end(), pattern);
         found != std::sregex_iterator(); ++found) {
        codes.push_back((*found)[1]);
    }
    return codes;
}

struct Rig : DelegatedRig {
    explicit Rig(DelegatedSettings settings = {}) : DelegatedRig(std::move(settings)) {
        agent().start();
    }
    [[nodiscard]] LoginDialogue begin(std::vector<std::string> words) {
        words.insert(words.begin(), kAliceUser);
        return {directory(), words, agent().configuration()};
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(delegated_login_test)

/// Entra gives a device code for one resource server: Outlook's, and then Graph's.
BOOST_AUTO_TEST_CASE(resources_are_consented_in_turn) {
    Rig rig;
    LoginDialogue login = rig.begin({"--device"});
    std::size_t approved = 0;
    while (!says(login.said(), "Logged in:")) {
        const std::vector<std::string> codes = codes_in(login.said());
        if (codes.size() > approved) {
            rig.rehearsal().approve_device(codes[approved++], kAliceUser);
        }
        wait_until(
            "the next step",
            [&] {
                return codes_in(login.said()).size() > approved || says(login.said(), "Logged in:");
            },
            kPatience, [&] { return login.said(); });
    }
    BOOST_TEST(approved >= 2U);
    BOOST_TEST(says(login.said(), "One more consent, for "));
    BOOST_TEST(login.end().ok(), login.said());
    for (const char* resource : {"smtp", "imap", "graph"}) {
        (void)rig.good_token(kAliceUser, resource);
    }
    rig.agent().stop();
}

BOOST_AUTO_TEST_CASE(another_user_is_refused_unless_accepted) {
    Rig rig;
    {
        LoginDialogue login = rig.begin({"--device", "--resource", "smtp"});
        rig.rehearsal().approve_device(login.says(kCode), kBobUser);
        BOOST_TEST(login.end().code == 1, login.said());
        BOOST_TEST(says(login.said(), kBobUser), login.said());
        BOOST_TEST(says(login.said(), "--accept-user"), login.said());
    }
    BOOST_TEST(rig.token(kAliceUser)["code"] == "not_logged_in");
    LoginDialogue login = rig.begin({"--device", "--resource", "smtp", "--accept-user"});
    rig.rehearsal().approve_device(login.says(kCode), kBobUser);
    BOOST_TEST(login.end().ok(), login.said());
    (void)rig.good_token(kAliceUser);
    rig.agent().stop();
}

/// Whatever ends a login before its end: the one of before is used as ever.
BOOST_AUTO_TEST_CASE(a_code_that_expires) {
    Rig rig({.device_slow_down = true, .device_expires = 3});
    (void)rig.log_in(kAliceUser);
    LoginDialogue login = rig.begin({"--device", "--resource", "smtp"});
    (void)login.says(kCode);
    BOOST_TEST(login.end().code == 1, login.said());
    BOOST_TEST(says(login.said(), "postbearer login"), login.said());
    BOOST_TEST(rig.refreshes(kAliceUser));
    rig.agent().stop();
}

/// A login of a shared mailbox serves it, and a new one for the same user replaces the old.
BOOST_AUTO_TEST_CASE(a_new_login_replaces_the_old_one) {
    Rig rig({.rotation = "strict"});
    (void)rig.log_in(kAliceUser);
    const std::string old_token = rig.good_token(kAliceUser)["token"];
    LoginDialogue login = rig.begin({"--device", "--resource", "smtp"});
    BOOST_TEST(says((login.says("(enter this code)"), login.said()), "replaces"), login.said());
    rig.rehearsal().approve_device(login.says(kCode), kAliceUser);
    BOOST_TEST(login.end().ok(), login.said());
    BOOST_TEST(rig.refreshes(kAliceUser));
    BOOST_TEST(rig.good_token(kAliceUser)["token"] != old_token);
    BOOST_TEST(rig.rehearsal().counter("refresh_reuse") == 0U);
    rig.agent().stop();
}

BOOST_AUTO_TEST_SUITE_END()
