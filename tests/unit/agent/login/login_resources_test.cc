// SPDX-License-Identifier: Apache-2.0
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>

#include "tests/support/scripted_source.hh"
#include "tests/unit/agent/login/login_room.hh"
#include "token-agent/stored_tokens.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;

constexpr const char* kNoConsent =
    R"({"error":"invalid_grant","suberror":"consent_required","error_codes":[65001]})";
constexpr const char* kSecondCode =
    R"({"device_code":"S3ntinel-device-2","user_code":"SECOND","expires_in":900,"interval":5,)"
    R"("verification_uri":"https://microsoft.com/devicelogin"})";

struct Room : LoginRoom {
    Room() { access.resources = {true, true, false, true}; }
    void begin(const std::string& more = "") {
        client.answer(200, kDeviceAnswer);
        BOOST_REQUIRE_EQUAL(start(more)->json["state"].asString(), "waiting");
    }
    /// Access and refresh tokens numbered, with an id_token or without.
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
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(login_resources_test, Room)

BOOST_AUTO_TEST_CASE(one_login_serves_all_resources) {
    begin();
    grant(1, id_token_for(kAlice));
    grant(2);
    grant(3);
    const Shown done = pass(6s);
    BOOST_TEST(done->json["state"].asString() == "done");
    BOOST_TEST(done->json["step"].asInt() == 1);
    BOOST_TEST(list(done->json["resources"]) == "smtp,imap,graph");
    BOOST_TEST(list(done->json["consented"]) == "smtp,imap,graph");
    BOOST_REQUIRE(stored() != nullptr);
    BOOST_TEST(stored()->token == "S3ntinel-rt-3");  // the newest
    BOOST_TEST(access_of(Resource::Smtp) == "S3ntinel-at-1");
    BOOST_TEST(access_of(Resource::Imap) == "S3ntinel-at-2");
    BOOST_TEST(access_of(Resource::Graph) == "S3ntinel-at-3");
    BOOST_TEST(was_sent(2, "refresh_token=S3ntinel-rt-1"));
    BOOST_TEST(was_sent(
        2, "scope=https%3A%2F%2Foutlook.office.com%2FIMAP.AccessAsUser.All%20offline_access"));
    BOOST_TEST(was_sent(3, "refresh_token=S3ntinel-rt-2"));
    BOOST_TEST(was_sent(3, "scope=https%3A%2F%2Fgraph.microsoft.com%2FMail.Send%20offline_access"));
    BOOST_TEST(store.writes == 4);
}

BOOST_AUTO_TEST_CASE(an_answer_without_a_new_refresh_token_keeps_the_last) {
    begin();
    grant(1, id_token_for(kAlice));
    client.answer(200, tokens("S3ntinel-at-2", ""));
    grant(3);
    BOOST_TEST(pass(6s)->json["state"].asString() == "done");
    BOOST_TEST(was_sent(3, "refresh_token=S3ntinel-rt-1"));
    BOOST_TEST(stored()->token == "S3ntinel-rt-3");
}

BOOST_AUTO_TEST_CASE(a_refresh_token_beside_a_bad_access_token_is_the_newest) {
    begin();
    grant(1, id_token_for(kAlice));
    client.answer(200, R"({"token_type":"Bearer","refresh_token":"S3ntinel-rt-2"})");
    grant(3);
    const Shown done = pass(30s);
    BOOST_TEST(done->json["state"].asString() == "done");
    BOOST_TEST(list(done->json["consented"]) == "smtp,graph");
    BOOST_TEST(list(done->json["warnings"]).find("no token for imap yet") != std::string::npos);
    BOOST_REQUIRE_EQUAL(client.seen().size(), 4U);  // and no second try with the first one
    BOOST_TEST(was_sent(2, "refresh_token=S3ntinel-rt-1"));
    BOOST_TEST(was_sent(3, "refresh_token=S3ntinel-rt-2"));
    BOOST_TEST(stored()->token == "S3ntinel-rt-3");
}

BOOST_AUTO_TEST_CASE(it_is_stored_though_the_last_resource_gets_nothing) {
    access.resources = {true, true, false, false};
    for (const char* type : {"Bearer", "mac"}) {  // it passes, and it does not
        begin();
        grant(1, id_token_for(kAlice));
        client.answer(200, R"({"access_token":"","token_type":")" + std::string(type) +
                               R"(","refresh_token":"S3ntinel-rt-2"})");
        BOOST_TEST(pass(30s)->json["state"].asString() == "done");
        BOOST_REQUIRE(stored() != nullptr);
        BOOST_TEST(stored()->token == "S3ntinel-rt-2");
        BOOST_TEST(access_of(Resource::Imap) == "");
        store.logins.clear();
    }
}

BOOST_AUTO_TEST_CASE(a_bad_answer_without_one_is_tried_again) {
    access.resources = {true, true, false, false};
    begin();
    grant(1, id_token_for(kAlice));
    client.answer(200, R"({"token_type":"Bearer"})");
    grant(2);
    const Shown done = pass(30s);
    BOOST_TEST(list(done->json["consented"]) == "smtp,imap");
    BOOST_TEST(was_sent(3, "refresh_token=S3ntinel-rt-1"));
    BOOST_TEST(stored()->token == "S3ntinel-rt-2");
}

BOOST_AUTO_TEST_CASE(a_resource_without_consent_is_a_step_of_its_own) {
    begin();
    grant(1, id_token_for(kAlice));
    client.answer(400, kNoConsent);
    client.answer(200, kSecondCode);
    const Shown second = pass(6s);
    BOOST_TEST(second->json["state"].asString() == "waiting");
    BOOST_TEST(second->json["step"].asInt() == 2);
    BOOST_TEST(second->json["resource"].asString() == "imap");
    BOOST_TEST(list(second->json["consented"]) == "smtp");
    BOOST_TEST(second->json["user_code"].asString() == "SECOND");
    BOOST_TEST(second->json["session"].asString() == session);
    grant(2, id_token_for(kAlice));
    grant(3);
    const Shown done = pass(6s);
    BOOST_TEST(done->json["state"].asString() == "done");
    BOOST_TEST(list(done->json["consented"]) == "smtp,imap,graph");
    BOOST_TEST(sent_field("refresh_token=S3ntinel-rt-2"));
    BOOST_TEST(stored()->token == "S3ntinel-rt-3");
}

BOOST_AUTO_TEST_CASE(by_browser_the_second_step_has_an_address_of_its_own) {
    access.resources = {true, true, false, false};
    const Shown first = start_code();
    const std::string state = parameter(*first, "state");
    client.answer(
        200, tokens("S3ntinel-at", "S3ntinel-rt",
                    id_token_for(kAlice, R"(,"nonce":")" + parameter(*first, "nonce") + "\"")));
    client.answer(400, kNoConsent);
    const Shown second = paste("?code=S3ntinel-c&state=" + state);
    BOOST_REQUIRE(second->here);  // the answer to a paste is what came of it
    BOOST_TEST(second->json["step"].asInt() == 2);
    BOOST_TEST(parameter(*second, "state") != state);
    BOOST_TEST(parameter(*second, "scope").find("IMAP.AccessAsUser.All") != std::string::npos);
    BOOST_TEST(paste("?code=S3ntinel-c&state=" + state)->status == "error");
    client.answer(
        200, tokens("S3ntinel-at-2", "S3ntinel-rt-2",
                    id_token_for(kAlice, R"(,"nonce":")" + parameter(*second, "nonce") + "\"")));
    const Shown done = paste("?code=S3ntinel-d&state=" + parameter(*second, "state"));
    BOOST_TEST(done->json["state"].asString() == "done");
    BOOST_TEST(stored()->token == "S3ntinel-rt-2");
}

BOOST_AUTO_TEST_CASE(another_user_at_the_second_step_spoils_the_login) {
    begin();
    grant(1, id_token_for(kAlice));
    client.answer(400, kNoConsent);
    client.answer(200, kSecondCode);
    (void)pass(6s);
    grant(2, id_token_for("bob@contoso.com", "", "sub-bob"));
    const Shown failed = pass(6s);
    BOOST_TEST(failed->json["state"].asString() == "failed");
    BOOST_TEST(failed->json["error"]["message"].asString().find("another user") !=
               std::string::npos);
    BOOST_TEST(store.logins.empty());
}

BOOST_AUTO_TEST_CASE(a_declined_second_step_leaves_the_first_resource) {
    access.resources = {true, false, false, true};
    begin();
    grant(1, id_token_for(kAlice));
    client.answer(400, kNoConsent);
    client.answer(200, kSecondCode);
    (void)pass(6s);
    client.answer(400, R"({"error":"authorization_declined"})");
    const Shown done = pass(6s);
    BOOST_TEST(done->json["state"].asString() == "done");
    BOOST_TEST(list(done->json["consented"]) == "smtp");
    BOOST_TEST(list(done->json["warnings"]).find("graph") != std::string::npos);
    BOOST_TEST(stored()->token == "S3ntinel-rt-1");
    BOOST_TEST(access_of(Resource::Graph) == "");
}

BOOST_AUTO_TEST_CASE(a_resource_that_the_app_may_not_have_is_a_warning) {
    access.resources = {true, false, false, true};
    begin();
    grant(1, id_token_for(kAlice));
    client.answer(400, R"({"error":"unauthorized_client","error_codes":[650057]})");
    const Shown done = pass(6s);
    BOOST_TEST(done->json["state"].asString() == "done");
    BOOST_TEST(list(done->json["warnings"]).find("no token for graph yet") != std::string::npos);
    BOOST_TEST(client.seen().size() == 3U);  // and no second step
}

BOOST_AUTO_TEST_CASE(one_scope_for_all_costs_one_request) {
    provider.type = ProviderType::Google;
    provider.device_authorization_endpoint = "https://oauth2.googleapis.com/device/code";
    access.resources = {true, true, true, true};
    client.answer(200, R"({"device_code":"d","user_code":"U","expires_in":1800,"interval":"5",)"
                       R"("verification_url":"https://www.google.com/device"})");
    const Shown shown = start();
    BOOST_TEST(list(shown->json["resources"]) == "smtp,imap,pop");  // Google has no graph
    BOOST_TEST(shown->json["verification_uri"].asString() == "https://www.google.com/device");
    client.answer(200, tokens("S3ntinel-at", "S3ntinel-rt",
                              jwt(R"({"iss":"accounts.google.com","aud":"client-1","sub":"1",)"
                                  R"("exp":1800003600,"email":"alice@contoso.com",)"
                                  R"("email_verified":true})")));
    const Shown done = pass(6s);
    BOOST_TEST(done->json["state"].asString() == "done");
    BOOST_TEST(client.seen().size() == 2U);
    BOOST_TEST(access_of(Resource::Pop) == "S3ntinel-at");
}

BOOST_AUTO_TEST_CASE(elsewhere_the_first_step_asks_for_all_scopes) {
    provider.type = ProviderType::Fastmail;
    access.resources = {true, true, false, false};
    const Shown shown = start_code();
    BOOST_TEST(parameter(*shown, "scope") ==
               "https%3A%2F%2Fwww.fastmail.com%2Fdev%2Fprotocol-smtp%20offline_access%20"
               "https%3A%2F%2Fwww.fastmail.com%2Fdev%2Fprotocol-imap");
}

BOOST_AUTO_TEST_CASE(resources_may_be_named) {
    begin(R"(,"resources":["imap","imap"])");
    grant(1, id_token_for(kAlice));
    const Shown done = pass(6s);
    BOOST_TEST(list(done->json["resources"]) == "imap");
    BOOST_TEST(access_of(Resource::Imap) == "S3ntinel-at-1");
    BOOST_TEST(
        ask("login_start", R"({"account":"alice@contoso.com","flow":"device","resources":["ftp"]})")
            ->code == "syntax");
}

BOOST_AUTO_TEST_CASE(no_refresh_token_is_no_login) {
    begin();
    client.answer(200, tokens("S3ntinel-at", "", id_token_for(kAlice)));
    const Shown failed = pass(6s);
    BOOST_TEST(failed->json["state"].asString() == "failed");
    BOOST_TEST(failed->json["error"]["message"].asString().find("offline_access") !=
               std::string::npos);
    BOOST_TEST(store.logins.empty());
    BOOST_TEST(changed.empty());
}

BOOST_AUTO_TEST_CASE(google_without_a_refresh_token_says_why) {
    provider.type = ProviderType::Google;
    access.resources = {true, false, false, false};
    const Shown shown = start_code();
    client.answer(200, tokens("S3ntinel-at", "",
                              jwt(R"({"iss":"accounts.google.com","aud":"client-1","sub":"1",)"
                                  R"("exp":1800003600,"email":"alice@contoso.com",)"
                                  R"("email_verified":true,"nonce":")" +
                                  parameter(*shown, "nonce") + "\"}")));
    const Shown failed = paste("?code=c&state=" + parameter(*shown, "state"));
    BOOST_TEST(failed->json["error"]["message"].asString().find("prompt=consent") !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_tokens_of_a_login_are_served_from_the_store) {
    struct Of {
        ProviderType type;
        std::vector<Resource> resources;
    };
    for (const Of& of : {Of{ProviderType::Microsoft, {Resource::Smtp, Resource::Imap}},
                         Of{ProviderType::Google, {Resource::Smtp, Resource::Pop}}}) {
        provider.type = of.type;
        provider.device_authorization_endpoint = "https://idp.example/device";
        access.resources = {true, true, true, false};
        drop_service();
        begin();
        const bool google = of.type == ProviderType::Google;
        grant(1, google ? jwt(R"({"iss":"accounts.google.com","aud":"client-1","sub":"1",)"
                              R"("exp":1800003600,"email":"alice@contoso.com",)"
                              R"("email_verified":true})")
                        : id_token_for(kAlice));
        if (!google) {
            grant(2);
            grant(3);
        }
        BOOST_TEST(pass(6s)->json["state"].asString() == "done");
        test::ScriptedSource inner;
        StoredTokens source{{inner, queue, time, log}};
        for (const Resource resource : of.resources) {
            FetchWish wish;
            wish.config = policy()->config;
            wish.grant = Grant::Delegated;
            wish.account = kAlice;
            wish.resource = resource;
            wish.may_restore = true;
            std::string token;
            source.fetch(std::move(wish), [&token](FetchResult result) {
                token = result ? std::string(result->access_token.reveal()) : "none";
            });
            time.run_due();
            BOOST_TEST(token == access_of(resource));
            BOOST_TEST(!token.empty());
            BOOST_TEST(inner.asked().empty());
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
