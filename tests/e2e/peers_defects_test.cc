// SPDX-License-Identifier: Apache-2.0
// What other token agents were seen to do wrong, and what providers were seen to answer, each as a
// case of its own; numbers are those of the study's list. Shown elsewhere: 7 by curl_http_test, 11
// by renewal_policy_test, 12 by providers_test, 15 by import_test.
#include <algorithm>
#include <array>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <ostream>

#include "tests/e2e/delegated_rig.hh"

using namespace postbearer::test;

namespace {

using namespace std::chrono_literals;

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

/// What a provider may answer to a refresh, and what must come of it. Whatever that is, the login
/// is there afterwards, and the next renewal works.
struct Row {
    const char* name;
    const char* order;    // of the rehearsal, without grant
    const char* verdict;  // "ok", or the class of the failure
    const char* code = "";
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }

constexpr Row kRows[] = {
    {"2: HTML with 200", R"("times":-1,"do":{"kind":"html"})", "transient", "bad_response"},
    {"2: expires_in is a string", R"("do":{"kind":"patch","set":{"expires_in":"3599"}})", "ok"},
    {"2: token_type bearer", R"("do":{"kind":"patch","set":{"token_type":"bearer"}})", "ok"},
    {"3: HTTP 400 twice",
     R"("times":2,"do":{"kind":"error","status":400,"error":"invalid_grant","aadsts":50076})",
     "needs_user", "invalid_grant"},
    {"6: a redirect to another host",
     R"("times":-1,"do":{"kind":"redirect","status":307,"location":"https://localhost:1/steal"})",
     "needs_admin", "bad_response"},
    {"8: ten megabytes", R"("times":-1,"do":{"kind":"huge","bytes":10485760})", "transient",
     "bad_response"},
    {"8: ten megabytes in chunks",
     R"("times":-1,"do":{"kind":"huge","bytes":10485760,"framing":"chunked"})", "transient",
     "bad_response"},
    {"429 in plain text, seconds",
     R"("times":-1,"do":{"kind":"respond","status":429,"headers":{"Retry-After":"7"},)"
     R"("content_type":"text/plain","body":"Too Many Requests"})",
     "transient", "throttled"},
    {"429 with a date",
     R"("times":-1,"do":{"kind":"respond","status":429,"headers":{"Retry-After":)"
     R"("Fri, 31 Dec 2060 23:59:59 GMT"}})",
     "transient", "throttled"},
    {"429 with an absurd time",
     R"("times":-1,"do":{"kind":"respond","status":429,"headers":{"Retry-After":)"
     R"("99999999999999999999"}})",
     "transient", "throttled"},
    {"503", R"("times":-1,"do":{"kind":"respond","status":503})", "transient", "provider_error"},
    {"500 in a burst", R"("times":-1,"do":{"kind":"respond","status":500})", "transient",
     "provider_error"},
    {"a slow drip", R"("times":-1,"do":{"kind":"drip","bytes":1,"interval_ms":200})", "transient",
     ""},
    {"10: a hang", R"("times":-1,"do":{"kind":"hang"})", "transient", ""},
    {"cut before the answer", R"("times":-1,"do":{"kind":"reset_before"})", "transient", "network"},
    {"cut in the answer", R"("times":-1,"do":{"kind":"reset_in_body"})", "transient", "network"},
    {"expires_in is missing", R"("do":{"kind":"patch","remove":["expires_in"]})", "ok"},
    {"expires_in is negative", R"("times":-1,"do":{"kind":"patch","set":{"expires_in":-1}})",
     "transient", "bad_response"},
    {"no refresh token in the answer", R"("do":{"kind":"patch","remove":["refresh_token"]})", "ok"},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(peers_defects_test)

BOOST_DATA_TEST_CASE(no_answer_costs_a_login, boost::unit_test::data::make(kRows), row) {
    DelegatedRig rig;
    rig.agent().start();
    (void)rig.log_in(kAliceUser);
    (void)rig.rehearsal().behave(std::string(R"({"grant":"refresh_token",)") + row.order + "}");
    const Stopwatch watch;
    AttributeMap answer = rig.token(kAliceUser, "smtp", "wait_ms=3000\n");
    BOOST_TEST(watch.elapsed().count() < 8'000);
    BOOST_TEST((answer["status"] == "ok" ? "ok" : answer["class"]) == row.verdict,
               answer["code"] << " " << answer["message"]);
    if (*row.code != '\0') {
        BOOST_TEST(answer["code"] == row.code, answer["message"]);
    }
    BOOST_TEST(!rig.status_of(kAliceUser)["login"].isNull());
    // Nothing was asked of anybody else, and nobody else noticed.
    (void)rig.good_token(kAppOnlyAccount);
    rig.rehearsal().forget_behaviours();
    rig.agent().kill();  // and what is on disk is good
    rig.agent().start();
    BOOST_TEST(rig.refreshes(kAliceUser));
    rig.agent().stop();
}

/// 1: the next refresh token is the one of the last answer, after a restart too.
BOOST_AUTO_TEST_CASE(defect_1_a_rotated_refresh_token_is_kept) {
    DelegatedRig rig({.rotation = "strict"});
    rig.agent().start();
    (void)rig.log_in(kAliceUser);
    for (int i = 0; i < 6; ++i) {
        BOOST_TEST(rig.refreshes(kAliceUser));
        if (i % 2 == 1) {
            rig.agent().kill();
            rig.agent().start();
        }
    }
    BOOST_TEST(rig.rehearsal().counter("refresh_reuse") == 0U);
    BOOST_TEST(rig.rehearsal().counter("families_revoked") == 0U);
    rig.agent().stop();
}

/// 4: five seconds more for good (RFC 8628 section 3.5), and never a poll too early.
BOOST_AUTO_TEST_CASE(defect_4_slow_down_is_obeyed) {
    DelegatedRig rig({.device_slow_down = true});
    rig.agent().start();
    Json::Value arguments;
    arguments["account"] = kAliceUser;
    arguments["flow"] = "device";
    arguments["resources"].append("smtp");
    Json::Value now = rig.admin_ok("login_start", arguments);
    BOOST_TEST(now["interval"].asInt() == 1);
    Json::Value session;
    session["session"] = now["session"];
    const std::uint64_t polls = 3;
    wait_until("some polls", [&] { return rig.rehearsal().counter("device_polls") >= polls; });
    now = rig.admin_ok("login_wait", session);
    BOOST_TEST(now["interval"].asInt() == 6);
    rig.rehearsal().approve_device(now["user_code"].asString(), kAliceUser);
    wait_until("the login", [&] {
        now = rig.admin_ok("login_wait", session);
        return now["state"].asString() != "waiting";
    });
    BOOST_TEST(now["state"].asString() == "done", now.toStyledString());
    BOOST_TEST(rig.rehearsal().counter("device_polls_too_early") == 0U);
    rig.agent().stop();
}

struct Denial {
    const char* word;
    const char* code;
};
std::ostream& operator<<(std::ostream& out, const Denial& row) { return out << row.word; }
constexpr Denial kDenials[] = {{"authorization_declined", "access_denied"},
                               {"access_denied", "access_denied"}};

BOOST_DATA_TEST_CASE(a_declined_device_ends_the_login, boost::unit_test::data::make(kDenials),
                     row) {
    DelegatedRig rig({.device_slow_down = true});
    rig.agent().start();
    (void)rig.log_in(kAliceUser);
    Json::Value arguments;
    arguments["account"] = kAliceUser;
    arguments["flow"] = "device";
    arguments["resources"].append("smtp");
    Json::Value now = rig.admin_ok("login_start", arguments);
    (void)rig.rehearsal().order(
        "POST", "/device/deny",
        R"({"user_code":")" + now["user_code"].asString() + R"(","as":")" + row.word + "\"}");
    Json::Value session;
    session["session"] = now["session"];
    wait_until("the end of the login", [&] {
        now = rig.admin_ok("login_wait", session);
        return now["state"].asString() != "waiting";
    });
    BOOST_TEST(now["state"].asString() == "failed");
    BOOST_TEST(!now["error"]["message"].asString().empty());
    (void)rig.good_token(kAliceUser);  // the login of before stays
    rig.agent().stop();
}

/// 5: a secret goes through form encoding whole.
BOOST_AUTO_TEST_CASE(defect_5_a_secret_of_odd_characters) {
    constexpr const char* kOdd = "a+b&c=d%e f/g?h#i\"j\\k~l;m,n\xC3\xA9";
    DelegatedRig rig;
    Json::Value app;
    app["tenant"] = kTenant;
    Json::Value secret;
    secret["value"] = kOdd;
    app["secrets"].append(secret);
    app["roles"].append("SMTP.SendAsApp");
    app["mailboxes"].append("*");
    (void)rig.rehearsal().put_client(kClientId, app);
    rig.agent().settings().providers[1].secret = kOdd;
    rig.agent().start();
    BOOST_TEST(rig.good_token(kAppOnlyAccount)["status"] == "ok");
    rig.agent().stop();
}

/// 8: an endless answer is cut while it is read.
BOOST_AUTO_TEST_CASE(defect_8_memory_does_not_follow_the_answer) {
    DelegatedRig rig;
    rig.agent().start();
    (void)rig.log_in(kAliceUser);
    const auto peak_kb = [&] {
        for (const std::string& line :
             split_lines(read_file("/proc/" + std::to_string(rig.agent().pid()) + "/status"))) {
            if (line.starts_with("VmHWM:")) {
                return std::stol(line.substr(6));
            }
        }
        return 0L;
    };
    (void)rig.good_token(kAliceUser);
    const long before = peak_kb();
    (void)rig.rehearsal().behave(
        R"({"grant":"refresh_token","times":-1,"do":{"kind":"huge","bytes":104857600}})");
    BOOST_TEST(!rig.refreshes(kAliceUser));
    BOOST_TEST(peak_kb() - before < 8'000);
    rig.agent().stop();
}

/// 9: a client that says nothing and a provider that hangs keep nobody else waiting.
BOOST_AUTO_TEST_CASE(defect_9_nobody_waits_behind_another) {
    DelegatedRig rig;
    rig.agent().start();
    for (const char* account : {kAliceUser, kBobUser}) {
        (void)rig.log_in(account);
    }
    (void)rig.good_token(kBobUser);
    std::array<std::unique_ptr<RawClient>, 5> silent;
    for (auto& client : silent) {
        client = std::make_unique<RawClient>(rig.agent().socket());
        BOOST_TEST(client->send("request=tok"));
    }
    (void)rig.rehearsal().behave(R"({"grant":"refresh_token","times":1,"do":{"kind":"hang"}})");
    RawClient waiting(rig.agent().socket());
    BOOST_TEST(
        waiting.send("request=token\naccount=alice@contoso.test\nresource=smtp\n"
                     "wait_ms=20000\n\n"));
    wait_until("the provider to hang",
               [&] { return rig.rehearsal().counter("refresh_requests") >= 2U; });
    const Stopwatch watch;
    (void)rig.good_token(kBobUser);
    BOOST_TEST(rig.refreshes(kBobUser));
    (void)rig.good_token(kAppOnlyAccount);
    BOOST_TEST(watch.elapsed().count() < 3'000);
    rig.rehearsal().forget_behaviours();
    rig.agent().kill();
}

/// 13: an application without a secret shows none, whatever else is configured.
BOOST_AUTO_TEST_CASE(defect_13_a_public_client_shows_no_secret) {
    DelegatedRig rig;
    // The server wants none; the admin has given one: 700025, then without it.
    rig.agent().settings().providers[0].secret = "a secret that nobody wants";
    rig.agent().start();
    (void)rig.log_in(kAliceUser);
    (void)rig.good_token(kAliceUser);
    const std::uint64_t requests = rig.rehearsal().counter("refresh_requests");
    BOOST_TEST(rig.refreshes(kAliceUser));
    BOOST_TEST(rig.refreshes(kAliceUser));
    BOOST_TEST(rig.rehearsal().counter("refresh_requests") <= requests + 3);  // it is remembered
    rig.agent().stop();
}

/// 14: no hook runs through a shell, because none runs at all; the key is refused by name.
BOOST_AUTO_TEST_CASE(defect_14_there_are_no_shell_hooks) {
    DelegatedRig rig({.agent_more = "notify_command = \"/bin/true\""});
    rig.agent().launch();
    const auto ended = rig.agent().wait(20s);
    BOOST_REQUIRE(ended);
    BOOST_TEST(ended->code == 78);
    BOOST_TEST(contains(read_file(rig.agent().log_path()), "notify_command"));
}

/// 5.4: one request to the provider, however many ask.
BOOST_AUTO_TEST_CASE(two_hundred_at_once_are_one_request) {
    DelegatedRig rig({.rotation = "strict"});
    rig.agent().start();
    (void)rig.log_in(kAliceUser);
    (void)rig.rehearsal().behave(R"({"grant":"refresh_token","do":{"kind":"latency","ms":500}})");
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 200; ++i) {
        clients.push_back(std::make_unique<RawClient>(rig.agent().socket()));
        BOOST_TEST(
            clients.back()->send("request=token\naccount=alice@contoso.test\nresource=smtp\n\n"));
    }
    std::size_t good = 0;
    for (const auto& client : clients) {
        good += client->answer(20s).starts_with("status=ok") ? 1U : 0U;
    }
    BOOST_TEST(good == 200U);
    BOOST_TEST(rig.rehearsal().counter("refresh_requests") == 1U);
    rig.agent().stop();
}

BOOST_AUTO_TEST_SUITE_END()
