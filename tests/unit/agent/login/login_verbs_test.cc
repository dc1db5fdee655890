// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>

#include "tests/unit/agent/login/login_room.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;

struct Room : LoginRoom {
    Shown plan() {
        const Shown shown = ask("login_plan", R"({"account":"Alice@contoso.com"})");
        turn();
        BOOST_REQUIRE(shown->here);
        return shown;
    }
    Shown import(const std::string& token, const std::string& user = "") {
        const Shown shown =
            ask("import_login", R"({"account":"alice@contoso.com","refresh_token":")" + token +
                                    R"(","user":")" + user + "\"}");
        turn();
        BOOST_REQUIRE(shown->here);
        return shown;
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(login_verbs_test, Room)

BOOST_AUTO_TEST_CASE(the_plan_shows_client_tenant_and_account) {
    access.resources = {true, true, false, true};
    const Shown shown = plan();
    const Json::Value& json = shown->json;
    BOOST_TEST(json["kind"].asString() == "login_plan");
    BOOST_TEST(json["account"].asString() == kAlice);
    BOOST_TEST(json["login"].asString() == kAlice);
    BOOST_TEST(json["provider"].asString() == "contoso");
    BOOST_TEST(json["provider_type"].asString() == "microsoft");
    BOOST_TEST(json["cloud"].asString() == "global");
    BOOST_TEST(json["tenant"].asString() == "contoso.example");
    BOOST_TEST(json["client_id"].asString() == kClient);
    BOOST_TEST(!json["confidential"].asBool());
    BOOST_TEST(json["authority"].asString() == "login.microsoftonline.com");
    BOOST_TEST(json["redirect_uri"].asString() == "http://localhost");
    BOOST_TEST(list(json["flows"]) == "device,code");
    BOOST_TEST(list(json["resources"]) == "smtp,imap,graph");
    BOOST_TEST(json["logged_in"].isNull());
    BOOST_TEST(client.seen().empty());
    BOOST_TEST(log.lines().empty());  // a look starts nothing
}

BOOST_AUTO_TEST_CASE(the_plan_tells_of_the_login_that_is_there) {
    test::MemoryStore::Login& login = store.logins[{"contoso", kAlice}];
    login.client_id = kClient;
    login.user = "alice@contoso.com";
    login.generation = 7;
    login.logged_in_at = WallTime(1700000000s);
    login.used_at = WallTime(1700000500s);
    const Shown shown = plan();
    const Json::Value& row = shown->json["logged_in"];
    BOOST_TEST(row["user"].asString() == "alice@contoso.com");
    BOOST_TEST(row["generation"].asInt() == 7);
    BOOST_TEST(row["logged_in_at"].asInt() == 1700000000);
    BOOST_TEST(row["used_at"].asInt() == 1700000500);
}

BOOST_AUTO_TEST_CASE(a_store_that_cannot_be_read_does_not_hide_the_plan) {
    store.read_error = Error{Errc::Unavailable, "token store: locked"};
    const Shown shown = plan();
    BOOST_TEST(shown->json["logged_in"].isNull());
    BOOST_TEST(list(shown->json["warnings"]) == "token store: locked");
}

BOOST_AUTO_TEST_CASE(only_rules_for_this_account_count) {
    access.accounts = {"@other.example"};
    access.resources = {true, true, true, true};
    BOOST_TEST(list(plan()->json["resources"]) == "smtp");
    drop_service();
    access.accounts = {"@contoso.com"};
    BOOST_TEST(list(plan()->json["resources"]) == "smtp,imap,pop,graph");
    drop_service();
    access.uid.reset();  // an unknown user: the rule is inactive
    BOOST_TEST(list(plan()->json["resources"]) == "smtp");
}

BOOST_AUTO_TEST_CASE(a_generic_server_is_looked_at_first) {
    provider.type = ProviderType::Oidc;
    provider.issuer = "https://idp.example";
    client.answer(200,
                  R"({"issuer":"https://idp.example","token_endpoint":"https://idp.example/t",)"
                  R"("authorization_endpoint":"https://sso.idp.example/a"})");
    const Shown shown = plan();
    BOOST_TEST(list(shown->json["flows"]) == "code");
    BOOST_TEST(shown->json["authority"].asString() == "sso.idp.example");
}

BOOST_AUTO_TEST_CASE(a_generic_server_that_is_away_is_a_refusal) {
    provider.type = ProviderType::Oidc;
    provider.issuer = "https://idp.example";
    client.fail(Errc::Unavailable, "idp.example: connection refused");
    const Shown shown = plan();
    BOOST_TEST(shown->status == "error");
    BOOST_TEST(shown->failure_class == "transient");
    BOOST_TEST(shown->message.find("connection refused") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_is_configured_is_the_plan_while_discovery_fails) {
    provider.type = ProviderType::Oidc;
    provider.issuer = "https://idp.example";
    provider.token_endpoint = "https://idp.example/t";
    provider.device_authorization_endpoint = "https://idp.example/d";
    client.fail(Errc::Unavailable, "idp.example: connection refused");
    const Shown shown = plan();
    BOOST_TEST(list(shown->json["flows"]) == "device");
    BOOST_TEST(list(shown->json["warnings"]).find("connection refused") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(googles_device_login_has_no_mail_scope) {
    provider.type = ProviderType::Google;
    BOOST_TEST(list(plan()->json["flows"]) == "code");
}

BOOST_AUTO_TEST_CASE(a_rule_without_logins_says_where_and_what) {
    rule.match = "@contoso.com";
    rule.grant = Grant::ClientCredentials;
    const Shown shown = plan();
    BOOST_TEST(shown->failure_class == "needs_admin");
    BOOST_TEST(shown->message.find("/etc/postbearer/agent.toml:12: ") == 0U);
    BOOST_TEST(shown->message.find(R"(grant = "client_credentials")") != std::string::npos);
    BOOST_TEST(shown->message.find(R"(grant = "delegated")") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(no_rule_no_login) {
    rule.match = "bob@contoso.com";
    BOOST_TEST(plan()->failure_class == "unknown_account");
    BOOST_TEST(ask("login_plan", R"({"account":"@contoso.com"})")->code == "syntax");
    BOOST_TEST(ask("login_plan", R"({"account":7})")->code == "syntax");
    BOOST_TEST(ask("login_plan", "{}")->code == "syntax");
}

BOOST_AUTO_TEST_CASE(no_client_no_login) {
    provider.client_id.clear();
    BOOST_TEST(plan()->message.find("client_id is not set") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(there_is_no_verb_that_takes_a_password) {
    for (const char* verb : {"password", "login_password", "login", "token", ""}) {
        BOOST_TEST(!service().handle(verb, Json::Value(Json::objectValue), peer,
                                     [](const Secret&) { BOOST_ERROR("answered"); }));
    }
    BOOST_TEST(
        ask("login_start", R"({"account":"alice@contoso.com","flow":"password","password":"x"})")
            ->code == "syntax");
    BOOST_TEST(client.seen().empty());
}

BOOST_AUTO_TEST_CASE(an_unknown_session_is_told) {
    for (const char* verb : {"login_wait", "login_answer", "login_cancel"}) {
        const Shown shown = ask(verb, R"({"session":"none","url":"S3ntinel"})");
        BOOST_TEST(shown->status == "error");
        BOOST_TEST(shown->message.find("no such login") != std::string::npos);
        BOOST_TEST(last_arguments["url"].asString().find("S3ntinel") == std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(a_refresh_token_is_imported) {
    peer.uid = 0;
    const Shown shown = import("S3ntinel-import", "alice@contoso.com");
    BOOST_TEST(shown->json["kind"].asString() == "import_login");
    BOOST_TEST(shown->json["account"].asString() == kAlice);
    BOOST_TEST(shown->json["provider"].asString() == "contoso");
    BOOST_TEST(shown->json["generation"].asInt() == 1);
    BOOST_TEST(!shown->json["replaced"].asBool());
    BOOST_REQUIRE(stored() != nullptr);
    BOOST_TEST(stored()->token == "S3ntinel-import");
    BOOST_TEST(stored()->user == "alice@contoso.com");
    BOOST_TEST(changed.size() == 1U);
    BOOST_TEST(log.count("event=login_imported uid=0 pid=77") == 1U);
    BOOST_TEST(last_arguments["refresh_token"].asString().find("S3ntinel") == std::string::npos);
    BOOST_TEST(import("S3ntinel-2")->json["replaced"].asBool());
    BOOST_TEST(stored()->token == "S3ntinel-2");
}

BOOST_AUTO_TEST_CASE(only_root_may_import) {
    peer.uid = 4242;
    const Shown shown = import("S3ntinel-import");
    BOOST_TEST(shown->status == "error");
    BOOST_TEST(shown->failure_class == "denied");
    BOOST_TEST(shown->code == "access_denied");
    BOOST_TEST(shown->message.find("only root may") != std::string::npos);
    BOOST_TEST(store.logins.empty());
    BOOST_TEST(last_arguments["refresh_token"].asString().find("S3ntinel") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(rubbish_is_not_imported) {
    peer.uid = 0;
    for (const std::string& token : {std::string(), std::string("S3ntinel\\u0001"),
                                     std::string("S3ntinel\\u00e4"), std::string(20000, 'x')}) {
        const Shown shown = import(token);
        BOOST_TEST(shown->code == "syntax");
    }
    BOOST_TEST(import("good", "a\\nb")->code == "syntax");
    BOOST_TEST(store.logins.empty());
    store_breaks();
    BOOST_TEST(import("S3ntinel-import")->code == "store_unwritable");
    BOOST_TEST(changed.empty());
}

BOOST_AUTO_TEST_SUITE_END()
