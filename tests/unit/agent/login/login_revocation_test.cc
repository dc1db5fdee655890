// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>

#include "tests/unit/agent/login/login_room.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;

constexpr const char* kRevoke = "https://idp.example/revoke";

/// A server of no preset where tokens can be revoked.
struct Room : LoginRoom {
    Room() {
        provider.type = ProviderType::Oidc;
        provider.tenant.clear();
        provider.token_endpoint = "https://idp.example/token";
        provider.authorization_endpoint = "https://idp.example/auth";
        provider.device_authorization_endpoint = "https://idp.example/device";
        provider.revocation_endpoint = kRevoke;
        provider.scopes[0] = {"smtp"};
        provider.scopes[1] = {"imap"};
    }
    void begin() {
        client.answer(200, kDeviceAnswer);
        BOOST_REQUIRE_EQUAL(start()->json["state"].asString(), "waiting");
    }
    void grant(const std::string& refresh_token, const std::string& name = kAlice,
               const std::string& subject = "s", const std::string& more = "") {
        client.answer(200, tokens("S3ntinel-at", refresh_token,
                                  jwt(R"({"iss":"https://idp.example","aud":"client-1","sub":")" +
                                      subject + R"(","exp":1800003600,"preferred_username":")" +
                                      name + "\"" + more + "}")));
    }
    void cancel() {
        (void)ask("login_cancel", R"({"session":")" + session + "\"}");
        turn();
    }
    std::string revoked() const {
        std::string all;
        for (const auto& each : client.seen()) {
            const std::size_t at = each.body.find("token=");
            if (each.url == kRevoke) {
                all += (all.empty() ? "" : ",") +
                       each.body.substr(at + 6, each.body.find('&', at) - at - 6);
            }
        }
        return all;
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(login_revocation_test, Room)

BOOST_AUTO_TEST_CASE(a_login_that_succeeds_revokes_nothing) {
    begin();
    grant("S3ntinel-rt");
    BOOST_TEST(pass(6s)->json["state"].asString() == "done");
    time.advance(60s);
    turn();
    BOOST_TEST(revoked() == "");
}

BOOST_AUTO_TEST_CASE(the_token_of_another_user_is_revoked) {
    begin();
    grant("S3ntinel-rt", "mallory@x.example");
    BOOST_TEST(pass(6s)->json["state"].asString() == "failed");
    BOOST_TEST(revoked() == "S3ntinel-rt");
    BOOST_TEST(sent_field("client_id=client-1"));
    BOOST_TEST(sent_field("token_type_hint=refresh_token"));
}

BOOST_AUTO_TEST_CASE(so_is_one_whose_id_token_is_not_for_us) {
    begin();
    grant("S3ntinel-rt", kAlice, "s", R"(,"azp":"another")");
    BOOST_TEST(pass(6s)->json["state"].asString() == "failed");
    BOOST_TEST(revoked() == "S3ntinel-rt");
}

BOOST_AUTO_TEST_CASE(a_second_step_by_another_user_revokes_both) {
    access.resources = {true, true, false, false};
    begin();
    grant("S3ntinel-1");
    client.answer(400, R"({"error":"invalid_scope"})");
    client.answer(200, kDeviceAnswer);
    (void)pass(6s);
    grant("S3ntinel-2", kAlice, "another-subject");
    BOOST_TEST(pass(6s)->json["state"].asString() == "failed");
    BOOST_TEST(revoked() == "S3ntinel-2,S3ntinel-1");
}

BOOST_AUTO_TEST_CASE(what_a_cancelled_login_has_is_revoked) {
    access.resources = {true, true, false, false};
    begin();
    grant("S3ntinel-1");
    client.answer(400, R"({"error":"invalid_scope"})");
    client.answer(200, kDeviceAnswer);
    (void)pass(6s);
    cancel();
    BOOST_TEST(revoked() == "S3ntinel-1");
}

BOOST_AUTO_TEST_CASE(tokens_that_come_after_the_cancel_are_revoked) {
    begin();
    (void)wait();
    time.advance(5s);
    BOOST_TEST(client.waiting() == 1U);  // the poll is on its way
    cancel();
    grant("S3ntinel-late");
    turn();
    BOOST_TEST(revoked() == "S3ntinel-late");
    BOOST_TEST(store.logins.empty());
}

BOOST_AUTO_TEST_CASE(by_browser_as_well) {
    const Shown shown = start_code();
    const Shown pasted = paste("?code=c&state=" + parameter(*shown, "state"));
    cancel();
    grant("S3ntinel-late");
    turn();
    BOOST_TEST(revoked() == "S3ntinel-late");
}

BOOST_AUTO_TEST_CASE(what_nobody_waits_for_is_revoked) {
    access.resources = {true, true, false, false};
    begin();
    grant("S3ntinel-1");
    client.answer(400, R"({"error":"invalid_scope"})");
    client.answer(200, kDeviceAnswer);
    (void)pass(6s);
    for (int i = 0; i < 40; ++i) {
        client.answer(400, kPending);
        time.advance(1s);
        turn();
    }
    BOOST_TEST(log.count("event=login_failed") == 1U);
    BOOST_TEST(revoked() == "S3ntinel-1");
}

BOOST_AUTO_TEST_CASE(what_could_not_be_stored_is_revoked) {
    begin();
    store_breaks();
    grant("S3ntinel-rt");
    BOOST_TEST(pass(620s)->json["state"].asString() == "failed");
    BOOST_TEST(revoked() == "S3ntinel-rt");
}

BOOST_AUTO_TEST_CASE(a_provider_without_a_place_for_it_is_left_alone) {
    provider.revocation_endpoint.clear();
    begin();
    grant("S3ntinel-rt", "mallory@x.example");
    BOOST_TEST(pass(6s)->json["state"].asString() == "failed");
    BOOST_TEST(client.seen().size() == 2U);
}

BOOST_AUTO_TEST_SUITE_END()
