// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/logout.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>

#include "tests/unit/agent/login/login_room.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;

struct Room : LoginRoom {
    void have_login() {
        test::MemoryStore::Login& login = store.logins[{"contoso", kAlice}];
        login.client_id = kClient;
        login.token = "S3ntinel-rt";
        login.generation = 3;
        store.access[{{"contoso", kAlice}, Resource::Smtp}] = "S3ntinel-at";
    }
    void of_google() {
        provider.type = ProviderType::Google;
        have_login();
    }
    Shown log_out() {
        const Shown shown = ask("logout", R"({"account":"ALICE@contoso.com"})");
        turn();
        BOOST_REQUIRE(shown->here);
        return shown;
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(logout_test, Room)

BOOST_AUTO_TEST_CASE(revoked_then_forgotten) {
    of_google();
    client.answer(200, "");
    const Shown shown = log_out();
    BOOST_TEST(shown->json["kind"].asString() == "logout");
    BOOST_TEST(shown->json["account"].asString() == kAlice);
    BOOST_TEST(shown->json["revoked"].asBool());
    BOOST_TEST(shown->json["forgotten"].asBool());
    BOOST_TEST(shown->json["revoke_note"].asString() == "");
    BOOST_TEST(sent().url == "https://oauth2.googleapis.com/revoke");
    BOOST_TEST(sent_field("token=S3ntinel-rt"));
    BOOST_TEST(sent_field("token_type_hint=refresh_token"));
    BOOST_TEST(sent_field("client_id=client-1"));
    BOOST_TEST(store.logins.empty());
    BOOST_TEST(store.access.empty());
    BOOST_TEST(changed.size() == 1U);
    BOOST_TEST(log.count("event=logged_out uid=4242 pid=77 account=alice@contoso.com") == 1U);
}

BOOST_AUTO_TEST_CASE(a_confidential_client_proves_itself) {
    of_google();
    be_confidential();
    client.answer(200, "");
    (void)log_out();
    BOOST_TEST(sent_field("client_secret=S3ntinel-secret"));
    have_login();
    store.logins[{"contoso", kAlice}].public_client = true;
    client.answer(200, "");
    (void)log_out();
    BOOST_TEST(sent().body.find("client_secret") == std::string::npos);
}

struct Row {
    const char* name;
    long status;
    const char* body;
    bool revoked;
    const char* note;
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }
const Row kRows[] = {
    {"unknown to Google", 400, R"({"error":"invalid_token"})", true, ""},
    {"unsupported", 400, R"({"error":"unsupported_token_type"})", false, "unsupported_token_type"},
    {"down", 503, "", false, "HTTP 503"},
    {"wrong client", 401, R"({"error":"invalid_client"})", false, "invalid_client"},
    {"redirect", 302, "", false, "HTTP 302"},
};
BOOST_DATA_TEST_CASE_F(Room, forgotten_whatever_the_provider_says,
                       boost::unit_test::data::make(kRows), row) {
    of_google();
    client.answer(row.status, row.body);
    const Shown shown = log_out();
    BOOST_TEST(shown->json["revoked"].asBool() == row.revoked);
    BOOST_TEST(shown->json["forgotten"].asBool());
    BOOST_TEST(shown->json["revoke_note"].asString().find(row.note) != std::string::npos);
    BOOST_TEST(shown->json["revoke_note"].asString().empty() == row.revoked);
    BOOST_TEST(store.logins.empty());
}

BOOST_AUTO_TEST_CASE(the_network_is_away) {
    of_google();
    client.fail(Errc::Timeout, "oauth2.googleapis.com: timed out");
    const Shown shown = log_out();
    BOOST_TEST(!shown->json["revoked"].asBool());
    BOOST_TEST(shown->json["revoke_note"].asString().find("timed out") != std::string::npos);
    BOOST_TEST(store.logins.empty());
}

BOOST_AUTO_TEST_CASE(microsoft_has_no_way_and_says_who_has) {
    have_login();
    const Shown shown = log_out();
    BOOST_TEST(shown->json["forgotten"].asBool());
    BOOST_TEST(!shown->json["revoked"].asBool());
    BOOST_TEST(shown->json["revoke_note"].asString().find(
                   "Revoke-MgUserSignInSession -UserId alice@contoso.com") != std::string::npos);
    BOOST_TEST(client.seen().empty());
}

BOOST_AUTO_TEST_CASE(a_discovered_endpoint_is_used) {
    provider.type = ProviderType::Oidc;
    provider.issuer = "https://idp.example";
    have_login();
    client.answer(200,
                  R"({"issuer":"https://idp.example","token_endpoint":"https://idp.example/t",)"
                  R"("revocation_endpoint":"https://idp.example/r"})");
    client.answer(200, "");
    BOOST_TEST(log_out()->json["revoked"].asBool());
    BOOST_TEST(sent().url == "https://idp.example/r");
}

BOOST_AUTO_TEST_CASE(an_endpoint_that_could_not_be_discovered_is_not_a_missing_one) {
    provider.type = ProviderType::Oidc;
    provider.issuer = "https://idp.example";
    provider.token_endpoint = "https://idp.example/t";
    provider.authorization_endpoint = "https://idp.example/a";
    have_login();
    client.fail(Errc::Timeout, "idp.example: timed out");
    const Shown shown = log_out();
    BOOST_TEST(!shown->json["revoked"].asBool());
    BOOST_TEST(shown->json["revoke_note"].asString() ==
               "not revoked: discovery: idp.example: timed out");
    BOOST_TEST(store.logins.empty());
}

BOOST_AUTO_TEST_CASE(nobody_was_logged_in) {
    const Shown shown = log_out();
    BOOST_TEST(!shown->json["forgotten"].asBool());
    BOOST_TEST(shown->json["revoke_note"].asString() == "nobody was logged in");
    BOOST_TEST(client.seen().empty());
}

BOOST_AUTO_TEST_CASE(a_login_of_another_client_is_forgotten_unrevoked) {
    of_google();
    store.logins[{"contoso", kAlice}].client_id = "older";
    const Shown shown = log_out();
    BOOST_TEST(shown->json["forgotten"].asBool());
    BOOST_TEST(shown->json["revoke_note"].asString().find("client_id older") != std::string::npos);
    BOOST_TEST(client.seen().empty());
}

BOOST_AUTO_TEST_CASE(a_store_that_cannot_forget_says_so) {
    have_login();
    store_breaks();
    const Shown shown = log_out();
    BOOST_TEST(shown->status == "error");
    BOOST_TEST(shown->code == "store_unwritable");
    BOOST_TEST(shown->message.find("still there") != std::string::npos);
    BOOST_TEST(changed.empty());
}

BOOST_AUTO_TEST_CASE(a_login_under_way_ends_with_it) {
    client.answer(200, kDeviceAnswer);
    (void)start();
    const Shown waiting = wait();
    (void)log_out();
    BOOST_REQUIRE(waiting->here);
    BOOST_TEST(waiting->json["state"].asString() == "failed");
}

BOOST_AUTO_TEST_CASE(a_token_that_a_renewal_brings_meanwhile_is_revoked_too) {
    of_google();
    const Shown shown = ask("logout", R"({"account":"alice@contoso.com"})");
    time.run_due();
    BOOST_REQUIRE(client.waiting() == 1U);
    test::MemoryStore::Login& login = store.logins[{"contoso", kAlice}];
    login.token = "S3ntinel-newer";
    login.generation = 4;
    client.answer(200, "");
    client.answer(200, "");
    turn();
    BOOST_REQUIRE(shown->here);
    BOOST_TEST(client.seen().size() == 2U);
    BOOST_TEST(sent_field("token=S3ntinel-newer"));
    BOOST_TEST(shown->json["revoked"].asBool());
    BOOST_TEST(store.logins.empty());
}

// ---- logins that no rule leads to any more

BOOST_AUTO_TEST_CASE(the_rule_is_gone) {
    of_google();
    rule.match = "bob@contoso.com";
    client.answer(200, "");
    const Shown shown = log_out();
    BOOST_TEST(shown->json["kind"].asString() == "logout");
    BOOST_TEST(shown->json["account"].asString() == kAlice);
    BOOST_TEST(shown->json["login"].asString() == kAlice);
    BOOST_TEST(shown->json["forgotten"].asBool());
    BOOST_TEST(shown->json["revoked"].asBool());
    BOOST_TEST(sent_field("token=S3ntinel-rt"));
    BOOST_TEST(store.logins.empty());
    BOOST_REQUIRE(changed.size() == 1U);
    BOOST_TEST(changed.front() == "contoso/alice@contoso.com");
    BOOST_TEST(log.count("event=logged_out uid=4242 pid=77 account=alice@contoso.com") == 1U);
}

BOOST_AUTO_TEST_CASE(the_grant_is_another) {
    of_google();
    rule.grant = Grant::ClientCredentials;
    client.answer(200, "");
    BOOST_TEST(log_out()->json["revoked"].asBool());
    BOOST_TEST(store.logins.empty());
}

BOOST_AUTO_TEST_CASE(the_provider_is_gone) {
    have_login();
    provider.name = "successor";
    for (const bool has_rule : {false, true}) {
        rule.match = has_rule ? kAlice : "bob@contoso.com";
        drop_service();
        have_login();
        const Shown shown = log_out();
        BOOST_TEST(shown->json["forgotten"].asBool());
        BOOST_TEST(!shown->json["revoked"].asBool());
        BOOST_TEST(shown->json["revoke_note"].asString().find(
                       "provider 'contoso' is not configured any more") != std::string::npos);
        BOOST_TEST(store.logins.empty());
        BOOST_TEST(client.seen().empty());
    }
}

BOOST_AUTO_TEST_CASE(the_client_is_another) {
    of_google();
    rule.match = "bob@contoso.com";
    store.logins[{"contoso", kAlice}].client_id = "older";
    const Shown shown = log_out();
    BOOST_TEST(shown->json["forgotten"].asBool());
    BOOST_TEST(shown->json["revoke_note"].asString().find("client_id older") != std::string::npos);
    BOOST_TEST(client.seen().empty());
}

BOOST_AUTO_TEST_CASE(a_login_that_another_rule_needs_stays) {
    of_google();
    rule.match = "billing@contoso.com";
    rule.login = "Alice@contoso.com";
    const Shown refused = log_out();
    BOOST_TEST(refused->failure_class == "unknown_account");
    BOOST_TEST(store.logins.size() == 1U);
    BOOST_TEST(client.seen().empty());
}

BOOST_AUTO_TEST_CASE(no_rule_and_no_login_is_the_refusal_it_was) {
    rule.match = "bob@contoso.com";
    BOOST_TEST(log_out()->failure_class == "unknown_account");
    BOOST_TEST(ask("logout", R"({"account":"@contoso.com"})")->code == "syntax");
    have_login();
    store_breaks();
    const Shown broken = log_out();
    BOOST_TEST(broken->code == "store_unwritable");
    BOOST_TEST(store.logins.size() == 1U);
    store.read_error = Error{Errc::Unavailable, "token store: locked"};
    BOOST_TEST(log_out()->message.find("token store: locked") != std::string::npos);
    BOOST_TEST(changed.empty());
}

BOOST_AUTO_TEST_SUITE_END()
