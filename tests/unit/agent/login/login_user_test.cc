// SPDX-License-Identifier: Apache-2.0
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>

#include "tests/unit/agent/login/login_room.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;

constexpr const char* kMe =
    R"({"mail":"alice@contoso.com","userPrincipalName":"a17@corp.example","displayName":"Alice"})";

struct Room : LoginRoom {
    void begin(const std::string& more = "") {
        client.answer(200, kDeviceAnswer);
        BOOST_REQUIRE_EQUAL(start(more)->json["state"].asString(), "waiting");
    }
    void grant(int number, const std::string& id_token = "", const std::string& scope = "") {
        const std::string n = std::to_string(number);
        client.answer(200, tokens("S3ntinel-at-" + n, "S3ntinel-rt-" + n, id_token, scope));
    }
    std::string access_of(Resource resource) {
        return store.access[{{"contoso", kAlice}, resource}];
    }
    bool was_sent(std::size_t index, const std::string& field) const {
        return ("&" + client.seen().at(index).body + "&").find("&" + field + "&") !=
               std::string::npos;
    }
    /// Of no preset, without discovery.
    void of_generic_server() {
        provider.type = ProviderType::Oidc;
        provider.tenant.clear();
        provider.token_endpoint = "https://idp.example/token";
        provider.authorization_endpoint = "https://idp.example/auth";
        provider.device_authorization_endpoint = "https://idp.example/device";
    }
    std::string generic_token(const std::string& claims) const {
        return jwt(R"({"iss":"https://idp.example","aud":"client-1","sub":"s","exp":1800003600)" +
                   claims + "}");
    }
    /// An answer with something else than a JWT as id_token.
    void grant_with(const std::string& id_token_json) {
        client.answer(200, R"({"token_type":"Bearer","access_token":"S3ntinel-at",)"
                           R"("refresh_token":"S3ntinel-rt","id_token":)" +
                               id_token_json + "}");
    }
    Shown failed_with(const std::string& words) {
        const Shown failed = pass(6s);
        BOOST_TEST(failed->json["state"].asString() == "failed");
        const std::string text = failed->json["error"]["message"].asString();
        BOOST_TEST(text.find(words) != std::string::npos, text);
        BOOST_TEST(store.logins.empty());
        return failed;
    }
    Shown done_as(const std::string& user, const std::string& by) {
        const Shown done = pass(6s);
        BOOST_TEST(done->json["state"].asString() == "done",
                   done->json["error"]["message"].asString());
        BOOST_TEST(done->json["user"].asString() == user);
        BOOST_TEST(done->json["user_confirmed_by"].asString() == by);
        return done;
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(login_user_test, Room)

BOOST_AUTO_TEST_CASE(another_user_than_asked_is_refused_with_the_fixes) {
    access.resources = {true, false, false, false};
    begin();
    grant(1, id_token_for("bob@contoso.com"));
    const Shown failed = pass(6s);
    BOOST_TEST(failed->json["state"].asString() == "failed");
    BOOST_TEST(failed->json["error"]["class"].asString() == "needs_user");
    const std::string text = failed->json["error"]["message"].asString();
    for (const char* words : {"bob@contoso.com signed in, not alice@contoso.com", "private window",
                              "--accept-user", "login = \"bob@contoso.com\""}) {
        BOOST_TEST(text.find(words) != std::string::npos);
    }
    BOOST_TEST(store.logins.empty());
    BOOST_TEST(store.writes == 0);
}

BOOST_AUTO_TEST_CASE(accept_user_takes_another_user_and_says_so) {
    access.resources = {true, false, false, false};
    begin(R"(,"accept_user":true)");
    grant(1, id_token_for("bob@contoso.com"));
    const Shown done = pass(6s);
    BOOST_TEST(done->json["state"].asString() == "done");
    BOOST_TEST(done->json["user"].asString() == "bob@contoso.com");
    BOOST_TEST(list(done->json["warnings"]).find("bob@contoso.com signed in, not alice") !=
               std::string::npos);
    BOOST_REQUIRE(stored() != nullptr);
    BOOST_TEST(stored()->user == "bob@contoso.com");
}

BOOST_AUTO_TEST_CASE(the_rule_says_who_signs_in_for_a_shared_mailbox) {
    access.resources = {true, false, false, false};
    rule.match = "billing@contoso.com";
    rule.login = "Alice@contoso.com";
    client.answer(200, kDeviceAnswer);
    const Shown shown = ask("login_start", R"({"account":"billing@contoso.com","flow":"device"})");
    turn();
    session = shown->json["session"].asString();
    BOOST_TEST(shown->json["account"].asString() == "billing@contoso.com");
    BOOST_TEST(shown->json["login"].asString() == kAlice);
    grant(1, id_token_for(kAlice));
    BOOST_TEST(pass(6s)->json["state"].asString() == "done");
    BOOST_REQUIRE(stored() != nullptr);
}

BOOST_AUTO_TEST_CASE(graph_confirms_a_mailbox_that_the_id_token_does_not_name) {
    access.resources = {true, false, false, true};
    begin();
    grant(1, id_token_for("a17@corp.example"));
    grant(2);
    client.answer(200, kMe);
    const Shown done = pass(6s);
    BOOST_TEST(done->json["state"].asString() == "done");
    BOOST_TEST(done->json["user"].asString() == kAlice);
    BOOST_TEST(done->json["user_confirmed_by"].asString() == "graph_me");
    BOOST_TEST(sent().url ==
               "https://graph.microsoft.com/v1.0/me?$select=mail,userPrincipalName,displayName");
    BOOST_TEST(sent().authorization == "Bearer S3ntinel-at-2");
}

BOOST_AUTO_TEST_CASE(graph_falls_back_to_the_user_principal_name) {
    access.resources = {true, false, false, true};
    begin();
    grant(1, id_token_for("a17@corp.example"));
    grant(2);
    client.answer(200, R"({"mail":null,"userPrincipalName":"Alice@Contoso.com"})");
    BOOST_TEST(pass(6s)->json["user_confirmed_by"].asString() == "graph_me");
}

BOOST_AUTO_TEST_CASE(graph_names_another_user) {
    access.resources = {true, false, false, true};
    begin();
    grant(1, id_token_for("a17@corp.example"));
    grant(2);
    client.answer(200, R"({"mail":"bob@contoso.com","userPrincipalName":"a17@corp.example"})");
    const Shown failed = pass(6s);
    BOOST_TEST(failed->json["state"].asString() == "failed");
    BOOST_TEST(failed->json["error"]["message"].asString().find("bob@contoso.com signed in") == 0U);
    BOOST_TEST(store.logins.empty());
}

BOOST_AUTO_TEST_CASE(graph_that_does_not_tell_leaves_the_word_of_the_id_token) {
    access.resources = {true, false, false, true};
    begin();
    grant(1, id_token_for("a17@corp.example"));
    grant(2);
    client.answer(403, R"({"error":{"code":"Authorization_RequestDenied"}})");
    const Shown failed = pass(6s);
    BOOST_TEST(failed->json["state"].asString() == "failed");
    BOOST_TEST(failed->json["error"]["message"].asString().find("a17@corp.example signed in") ==
               0U);
}

BOOST_AUTO_TEST_CASE(user_read_is_enough_to_ask_graph) {
    access.resources = {true, false, false, false};
    begin();
    grant(1, id_token_for("a17@corp.example"),
          "https://outlook.office.com/SMTP.Send User.Read openid");
    grant(2);
    client.answer(200, kMe);
    const Shown done = pass(6s);
    BOOST_TEST(done->json["state"].asString() == "done");
    BOOST_TEST(done->json["user_confirmed_by"].asString() == "graph_me");
    BOOST_TEST(was_sent(2, "scope=https%3A%2F%2Fgraph.microsoft.com%2FUser.Read"));
    BOOST_TEST(stored()->token == "S3ntinel-rt-2");  // rotation counts here too
    BOOST_TEST(access_of(Resource::Graph) == "");    // it could not send mail
}

BOOST_AUTO_TEST_CASE(a_new_refresh_token_is_kept_though_graph_cannot_be_asked) {
    access.resources = {true, false, false, false};
    begin(R"(,"accept_user":true)");
    grant(1, id_token_for("a17@corp.example"),
          "https://outlook.office.com/SMTP.Send User.Read openid");
    client.answer(200, R"({"token_type":"Bearer","refresh_token":"S3ntinel-rt-2"})");
    (void)done_as("a17@corp.example", "id_token");
    BOOST_TEST(client.seen().size() == 3U);
    BOOST_TEST(stored()->token == "S3ntinel-rt-2");
}

BOOST_AUTO_TEST_CASE(an_id_token_of_another_tenant_is_refused) {
    access.resources = {true, false, false, false};
    provider.tenant = "99999999-2222-3333-4444-555555555555";
    begin();
    grant(1, id_token_for(kAlice));
    const Shown failed = pass(6s);
    BOOST_TEST(failed->json["state"].asString() == "failed");
    BOOST_TEST(failed->json["error"]["message"].asString().find("issuer and tenant") !=
               std::string::npos);
}

// ---- names that nobody vouches for

BOOST_AUTO_TEST_CASE(an_unverified_address_of_another_is_another_user) {
    of_generic_server();
    begin();
    grant(1, generic_token(R"(,"email":"mallory@x.example","email_verified":false)"));
    (void)failed_with("mallory@x.example signed in, not alice@contoso.com");
    begin(R"(,"accept_user":true)");
    grant(1, generic_token(R"(,"email":"mallory@x.example","email_verified":false)"));
    (void)done_as("mallory@x.example", "unconfirmed");
}

BOOST_AUTO_TEST_CASE(an_unverified_address_confirms_nobody) {
    of_generic_server();
    for (const char* flag : {"", R"(,"email_verified":false)", R"(,"email_verified":"no")"}) {
        begin();
        grant(1, generic_token(R"(,"email":"alice@contoso.com")" + std::string(flag)));
        const Shown done = done_as(kAlice, "unconfirmed");
        BOOST_TEST(list(done->json["warnings"]).find("unconfirmed") == 0U);
    }
    begin();
    grant(1, generic_token(R"(,"email":"alice@contoso.com","email_verified":true)"));
    BOOST_TEST(list(done_as(kAlice, "id_token")->json["warnings"]) == "");
}

BOOST_AUTO_TEST_CASE(an_unverified_address_does_not_outdo_the_users_name) {
    of_generic_server();
    begin();
    grant(1, generic_token(
                 R"(,"preferred_username":"mallory@x.example","email":"alice@contoso.com")"));
    (void)failed_with("mallory@x.example signed in");
}

BOOST_AUTO_TEST_CASE(a_verified_address_outdoes_a_name_that_users_choose) {
    of_generic_server();
    begin();
    grant(1, generic_token(R"(,"preferred_username":"alice@contoso.com",)"
                           R"("email":"mallory@x.example","email_verified":true)"));
    (void)failed_with("mallory@x.example signed in");
}

// Any administrator of any directory can write any address into `email` and into Graph's `mail`.
BOOST_AUTO_TEST_CASE(the_mail_address_of_a_foreign_directory_confirms_nobody) {
    for (const char* tenant : {"common", "organizations"}) {
        provider.tenant = tenant;
        drop_service();
        begin();
        grant(1, id_token_for("mallory@evil.example", R"(,"email":"alice@contoso.com")"));
        (void)failed_with("mallory@evil.example signed in, not alice@contoso.com");
    }
    begin();
    grant(1, id_token_for("m", R"(,"email":"alice@contoso.com","xms_edov":true)"));
    (void)done_as(kAlice, "id_token");
}

BOOST_AUTO_TEST_CASE(the_mail_address_of_the_one_directory_counts) {
    begin();
    grant(1, id_token_for("a17@corp.example", R"(,"email":"alice@contoso.com")"));
    (void)done_as(kAlice, "id_token");
}

BOOST_AUTO_TEST_CASE(graphs_mail_of_a_foreign_directory_confirms_nobody) {
    access.resources = {true, false, false, true};
    provider.tenant = "common";
    begin();
    grant(1, id_token_for("mallory@evil.example"));
    grant(2);
    client.answer(200,
                  R"({"mail":"alice@contoso.com","userPrincipalName":"mallory@evil.example"})");
    (void)failed_with("mallory@evil.example signed in");
    begin();
    grant(1, id_token_for("someone@evil.example"));
    grant(2);
    client.answer(200, R"({"mail":"x@evil.example","userPrincipalName":"alice@contoso.com"})");
    (void)done_as(kAlice, "graph_me");
}

// ---- no id_token, or none that can be read

BOOST_AUTO_TEST_CASE(an_id_token_that_cannot_be_read_is_an_error) {
    for (const char* bad : {"\"not a token\"", "7", "{}", "\"\"", "\"a\\u0000b\""}) {
        begin(R"(,"accept_user":true)");
        grant_with(bad);
        const Shown failed = failed_with("the id_token");
        BOOST_TEST(failed->json["error"]["code"].asString() == "bad_response");
    }
}

BOOST_AUTO_TEST_CASE(openid_was_asked_and_no_id_token_came) {
    for (const bool accept : {false, true}) {
        begin(accept ? R"(,"accept_user":true)" : "");
        grant(1);
        (void)failed_with("no id_token");
    }
    provider.type = ProviderType::Google;
    provider.device_authorization_endpoint = "https://oauth2.googleapis.com/device/code";
    drop_service();
    begin();
    grant(1);
    (void)failed_with("no id_token");
}

BOOST_AUTO_TEST_CASE(a_nonce_was_sent_and_no_id_token_came) {
    of_generic_server();
    Shown shown = start_code(R"(,"accept_user":true)");
    (void)parameter(*shown, "nonce");
    grant(1);
    shown = paste("?code=c&state=" + parameter(*shown, "state"));
    BOOST_TEST(shown->json["error"]["message"].asString().find("no id_token") != std::string::npos);
    BOOST_TEST(store.logins.empty());
    // A server that says that it gave no openid owes no id_token (RFC 6749 section 5.1).
    shown = start_code(R"(,"accept_user":true)");
    grant(1, "", "mail");
    shown = paste("?code=c&state=" + parameter(*shown, "state"));
    BOOST_TEST(shown->json["user_confirmed_by"].asString() == "unconfirmed");
}

BOOST_AUTO_TEST_CASE(a_generic_server_that_names_nobody_needs_accept_user) {
    of_generic_server();
    for (const std::string& token : {std::string(), generic_token("")}) {
        begin();
        grant(1, token);
        const Shown failed = failed_with("does not say who signed in");
        BOOST_TEST(failed->json["error"]["message"].asString().find("--accept-user") !=
                   std::string::npos);
        BOOST_TEST(failed->json["error"]["class"].asString() == "needs_user");
        begin(R"(,"accept_user":true)");
        grant(1, token);
        const Shown done = done_as("", "unconfirmed");
        BOOST_TEST(list(done->json["warnings"]).find("unconfirmed") == 0U);
        store.logins.clear();
    }
}

BOOST_AUTO_TEST_CASE(microsoft_naming_nobody_needs_accept_user) {
    begin();
    grant(1, id_token_for(""));
    (void)failed_with("does not say who signed in");
}

BOOST_AUTO_TEST_SUITE_END()
