// SPDX-License-Identifier: Apache-2.0
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>

#include "tests/unit/agent/login/login_room.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;

struct Room : LoginRoom {
    /// A login by browser that shows its address.
    Shown begin(const std::string& more = "") {
        shown = start_code(more);
        BOOST_REQUIRE(shown->here);
        BOOST_REQUIRE_EQUAL(shown->json["state"].asString(), "waiting");
        return shown;
    }
    std::string state() const { return parameter(*shown, "state"); }
    std::string nonce() const { return parameter(*shown, "nonce"); }
    std::string good_answer() const {
        return "http://localhost:4711/?code=S3ntinel-code&state=" + state() + "&session_state=x";
    }
    std::string good_tokens() const {
        return tokens("S3ntinel-at", "S3ntinel-rt",
                      id_token_for(kAlice, R"(,"nonce":")" + nonce() + "\""));
    }
    /// A generic server that is looked at first.
    void of_discovered_server(const std::string& more) {
        provider.type = ProviderType::Oidc;
        if (provider.issuer.empty()) {
            provider.issuer = "https://idp.example";
        }
        client.answer(200, R"({"issuer":")" + provider.issuer +
                               R"(","token_endpoint":"https://idp.example/t",)"
                               R"("authorization_endpoint":"https://idp.example/a")" +
                               more + "}");
    }
    /// One that has all it needs for a login by browser, and cannot be looked at.
    void of_undiscovered_server() {
        provider.type = ProviderType::Oidc;
        provider.issuer = "https://idp.example";
        provider.token_endpoint = "https://idp.example/t";
        provider.authorization_endpoint = "https://idp.example/a";
        client.fail(Errc::Timeout, "idp.example: timed out");
    }
    Shown shown;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(login_code_test, Room)

BOOST_AUTO_TEST_CASE(the_address_holds_what_the_server_needs) {
    begin();
    const std::string url = shown->json["authorize_url"].asString();
    BOOST_TEST(url.rfind("https://login.microsoftonline.com/contoso.example/oauth2/v2.0/authorize?"
                         "response_type=code&client_id=client-1&",
                         0) == 0U);
    BOOST_TEST(parameter(*shown, "redirect_uri") == "http%3A%2F%2Flocalhost%3A4711");
    BOOST_TEST(parameter(*shown, "scope") ==
               "https%3A%2F%2Foutlook.office.com%2FSMTP.Send%20offline_access%20openid%20profile");
    BOOST_TEST(parameter(*shown, "code_challenge_method") == "S256");
    BOOST_TEST(parameter(*shown, "code_challenge").size() == 43U);
    BOOST_TEST(state().size() == 43U);
    BOOST_TEST(nonce().size() == 43U);
    BOOST_TEST(state() != nonce());
    BOOST_TEST(parameter(*shown, "login_hint") == "alice%40contoso.com");
    BOOST_TEST(parameter(*shown, "prompt") == "select_account");
    BOOST_TEST(shown->json["redirect_uri"].asString() == "http://localhost:4711");
    BOOST_TEST(shown->json["expires_in"].asInt() == 600);
    BOOST_TEST(client.seen().empty());
}

BOOST_AUTO_TEST_CASE(no_two_logins_share_a_state) {
    begin();
    const std::string first = state();
    begin();
    BOOST_TEST(state() != first);
}

BOOST_AUTO_TEST_CASE(a_pasted_address_ends_in_the_store) {
    begin();
    const std::string challenge = parameter(*shown, "code_challenge");
    client.answer(200, good_tokens());
    const Shown done = paste(good_answer());
    BOOST_REQUIRE(done->here);
    BOOST_TEST(done->json["state"].asString() == "done");
    BOOST_TEST(done->json["user"].asString() == kAlice);
    BOOST_TEST(done->json["user_confirmed_by"].asString() == "id_token");
    BOOST_REQUIRE(stored() != nullptr);
    BOOST_TEST(stored()->token == "S3ntinel-rt");
    BOOST_TEST(client.seen().size() == 1U);
    BOOST_TEST(sent_field("grant_type=authorization_code"));
    BOOST_TEST(sent_field("code=S3ntinel-code"));
    BOOST_TEST(sent_field("redirect_uri=http%3A%2F%2Flocalhost%3A4711"));
    const std::string& body = sent().body;
    const std::size_t at = body.find("code_verifier=") + 14;
    const std::string verifier = body.substr(at, body.find('&', at) - at);
    BOOST_TEST(challenge_of(Secret(verifier)) == challenge);
    // The code does not stay in what was handed over.
    BOOST_TEST(last_arguments["url"].asString().find("S3ntinel") == std::string::npos);
}

struct Paste {
    const char* name;
    const char* text;  // @ stands for the state
    const char* words;
};
std::ostream& operator<<(std::ostream& out, const Paste& row) { return out << row.name; }
const Paste kWrong[] = {
    {"another state", "http://localhost:4711/?code=c&state=other", "another login"},
    {"no state", "http://localhost:4711/?code=c", "another login"},
    {"another host", "https://evil.example/?code=c&state=@", "not the address"},
    {"another port", "http://localhost:4712/?code=c&state=@", "not the address"},
    {"no code", "http://localhost:4711/?state=@", "holds no code"},
    {"a code twice", "http://localhost:4711/?code=c&code=d&state=@", "code twice"},
    {"nothing", "", "no address"},
    {"an error for another login", "http://localhost:4711/?error=access_denied&state=zz",
     "another login"},
};
BOOST_DATA_TEST_CASE_F(Room, a_wrong_paste_is_no_end, boost::unit_test::data::make(kWrong), row) {
    begin();
    std::string text = row.text;
    if (const std::size_t at = text.find('@'); at != std::string::npos) {
        text.replace(at, 1, state());
    }
    const Shown refused = paste(text);
    BOOST_REQUIRE(refused->here);
    BOOST_TEST(refused->status == "error");
    BOOST_TEST(refused->message.find(row.words) != std::string::npos);
    BOOST_TEST(client.seen().empty());
    client.answer(200, good_tokens());
    BOOST_TEST(paste(good_answer())->json["state"].asString() == "done");
}

BOOST_AUTO_TEST_CASE(an_answer_is_taken_once) {
    begin();
    const Shown first = paste(good_answer());
    BOOST_TEST(!first->here);
    const Shown second = paste(good_answer());
    BOOST_REQUIRE(second->here);
    BOOST_TEST(second->status == "error");
    BOOST_TEST(client.seen().size() == 1U);
    client.answer(200, good_tokens());
    turn();
    BOOST_REQUIRE(first->here);
    BOOST_TEST(first->json["state"].asString() == "done");
}

BOOST_AUTO_TEST_CASE(the_user_said_no) {
    begin();
    const Shown failed = paste("?error=access_denied&error_description=x&state=" + state());
    BOOST_REQUIRE(failed->here);
    BOOST_TEST(failed->json["state"].asString() == "failed");
    BOOST_TEST(failed->json["error"]["class"].asString() == "needs_user");
    BOOST_TEST(failed->json["error"]["message"].asString().find("declined") != std::string::npos);
    BOOST_TEST(client.seen().empty());
}

BOOST_AUTO_TEST_CASE(an_error_of_entra_comes_with_its_fix) {
    begin();
    const Shown failed = paste(
        "?error=access_denied&error_description=AADSTS65004%3A+User+declined&state=" + state());
    BOOST_TEST(failed->json["error"]["hint"].asString() == "AADSTS65004");
    BOOST_TEST(failed->json["error"]["message"].asString().find("(AADSTS65004). ") !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_address_is_good_for_ten_minutes_and_needs_no_waiting) {
    begin();
    time.advance(599s);
    turn();
    client.answer(200, good_tokens());
    BOOST_TEST(paste(good_answer())->json["state"].asString() == "done");
    begin();
    time.advance(600s);
    turn();
    const Shown failed = paste(good_answer());
    BOOST_TEST(failed->json["state"].asString() == "failed");
    BOOST_TEST(failed->json["error"]["message"].asString().find("within 10 minutes") !=
               std::string::npos);
    BOOST_TEST(client.seen().size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_code_survives_a_bad_moment_of_the_network) {
    begin();
    client.fail(Errc::Unavailable, "login.microsoftonline.com: connection refused");
    const Shown done = paste(good_answer());
    BOOST_TEST(!done->here);
    client.answer(200, good_tokens());
    time.advance(2s);
    turn();
    BOOST_REQUIRE(done->here);
    BOOST_TEST(done->json["state"].asString() == "done");
    BOOST_TEST(client.seen().size() == 2U);
}

BOOST_AUTO_TEST_CASE(a_code_that_brought_a_refresh_token_is_spent) {
    begin();
    client.answer(200, R"({"token_type":"Bearer","refresh_token":"S3ntinel-rt"})");
    const Shown failed = paste(good_answer());
    BOOST_REQUIRE(failed->here);
    BOOST_TEST(failed->json["error"]["message"].asString().find("no access_token") !=
               std::string::npos);
    time.advance(60s);
    turn();
    BOOST_TEST(client.seen().size() == 1U);
    BOOST_TEST(store.logins.empty());
}

BOOST_AUTO_TEST_CASE(a_network_that_stays_away_is_the_end) {
    begin();
    for (int i = 0; i < 3; ++i) {
        client.fail(Errc::Unavailable, "login.microsoftonline.com: connection refused");
    }
    const Shown failed = paste(good_answer());
    time.advance(2s);
    turn();
    time.advance(4s);
    turn();
    BOOST_REQUIRE(failed->here);
    BOOST_TEST(failed->json["error"]["class"].asString() == "transient");
    BOOST_TEST(client.seen().size() == 3U);
}

BOOST_AUTO_TEST_CASE(an_id_token_for_another_question_is_refused) {
    begin();
    client.answer(
        200, tokens("S3ntinel-at", "S3ntinel-rt", id_token_for(kAlice, R"(,"nonce":"not-ours")")));
    const Shown failed = paste(good_answer());
    BOOST_TEST(failed->json["state"].asString() == "failed");
    BOOST_TEST(failed->json["error"]["message"].asString().find("nonce") != std::string::npos);
    BOOST_TEST(store.logins.empty());
}

BOOST_AUTO_TEST_CASE(the_issuer_of_the_answer_is_compared) {
    begin();
    const Shown failed = paste(good_answer() + "&iss=https%3A%2F%2Fevil.example%2Fv2.0");
    BOOST_TEST(failed->json["state"].asString() == "failed");
    const std::string why = failed->json["error"]["message"].asString();
    BOOST_TEST(why.find("another server") != std::string::npos);
    BOOST_TEST(why.find("Check issuer") != std::string::npos);
    BOOST_TEST(client.seen().empty());
    begin();
    client.answer(200, good_tokens());
    BOOST_TEST(paste(good_answer() + "&iss=https%3A%2F%2Flogin.microsoftonline.com%2F" +
                     std::string(kTenant) + "%2Fv2.0")
                   ->json["state"]
                   .asString() == "done");
}

BOOST_AUTO_TEST_CASE(a_server_that_promises_iss_must_send_it) {
    provider.type = ProviderType::Oidc;
    provider.issuer = "https://idp.example";
    client.answer(200,
                  R"({"issuer":"https://idp.example","token_endpoint":"https://idp.example/t",)"
                  R"("authorization_endpoint":"https://idp.example/a?x=1",)"
                  R"("authorization_response_iss_parameter_supported":true,)"
                  R"("scopes_supported":["openid","email","offline_access"]})");
    begin();
    BOOST_TEST(shown->json["authorize_url"].asString().rfind(
                   "https://idp.example/a?x=1&response_type=code&", 0) == 0U);
    BOOST_TEST(parameter(*shown, "scope") == "openid%20email%20offline_access");
    BOOST_TEST(parameter(*shown, "prompt") == "consent");
    const Shown failed = paste(good_answer());
    BOOST_TEST(failed->json["error"]["message"].asString().find("no iss") != std::string::npos);
    BOOST_TEST(client.seen().size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_server_without_s256_gets_no_browser_login) {
    of_discovered_server(R"(,"code_challenge_methods_supported":["plain"])");
    const Shown failed = start_code();
    BOOST_REQUIRE(failed->here);
    BOOST_TEST(failed->json["state"].asString() == "failed");
    BOOST_TEST(failed->json["error"]["class"].asString() == "needs_admin");
    BOOST_TEST(failed->json["error"]["message"].asString().find("PKCE with S256") !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_server_that_is_silent_about_pkce_is_a_warning) {
    of_discovered_server("");
    BOOST_TEST(list(begin()->json["warnings"]).find("PKCE") != std::string::npos);
    drop_service();
    provider.issuer = "https://other.example";
    of_discovered_server(R"(,"code_challenge_methods_supported":["S256"])");
    BOOST_TEST(list(begin()->json["warnings"]) == "");
    drop_service();
    provider = ProviderConfig();
    provider.name = "contoso";
    provider.type = ProviderType::Google;
    provider.client_id = kClient;
    BOOST_TEST(list(begin()->json["warnings"]) == "");
}

BOOST_AUTO_TEST_CASE(an_iss_of_a_server_without_issuer_is_at_least_on_its_host) {
    provider.type = ProviderType::Oidc;
    provider.token_endpoint = "https://idp.example/t";
    provider.authorization_endpoint = "https://login.idp.example/a";
    for (const char* other :
         {"https%3A%2F%2Fevil.example", "https%3A%2F%2Fidp.example.evil", "", "idp.example"}) {
        begin();
        const Shown failed = paste(good_answer() + "&iss=" + other);
        const std::string why = failed->json["error"]["message"].asString();
        BOOST_TEST(why.find("another server") != std::string::npos);
        BOOST_TEST(why.find("set issuer") != std::string::npos);
        BOOST_TEST(client.seen().empty());
    }
    begin();
    client.answer(200, tokens("S3ntinel-at", "S3ntinel-rt",
                              jwt(R"({"iss":"https://idp.example/r","aud":"client-1","sub":"s",)"
                                  R"("exp":1800003600,"preferred_username":"alice@contoso.com",)"
                                  R"("nonce":")" +
                                  nonce() + "\"}")));
    BOOST_TEST(
        paste(good_answer() + "&iss=https%3A%2F%2Fidp.example%2Fr")->json["state"].asString() ==
        "done");
}

BOOST_AUTO_TEST_CASE(configured_endpoints_serve_while_discovery_fails) {
    of_undiscovered_server();
    begin();
    BOOST_TEST(shown->json["authorize_url"].asString().rfind("https://idp.example/a?", 0) == 0U);
    BOOST_REQUIRE_EQUAL(shown->json["warnings"].size(), 1U);
    const std::string warning = shown->json["warnings"][0].asString();
    BOOST_TEST(warning.find("configured endpoints") != std::string::npos);
    BOOST_TEST(warning.find("idp.example: timed out") != std::string::npos);
    client.answer(200, tokens("S3ntinel-at", "S3ntinel-rt",
                              jwt(R"({"iss":"https://idp.example","aud":"client-1","sub":"s",)"
                                  R"("exp":1800003600,"preferred_username":"alice@contoso.com",)"
                                  R"("nonce":")" +
                                  nonce() + "\"}")));
    const Shown done = paste(good_answer() + "&iss=https%3A%2F%2Fidp.example");
    BOOST_TEST(done->json["state"].asString() == "done");
    BOOST_TEST(list(done->json["warnings"]) == warning);
    BOOST_TEST(sent().url == "https://idp.example/t");
}

BOOST_AUTO_TEST_CASE(the_configured_issuer_counts_without_discovery_too) {
    of_undiscovered_server();
    begin();
    const Shown failed = paste(good_answer() + "&iss=https%3A%2F%2Fidp.example%2Fother");
    BOOST_TEST(failed->json["error"]["message"].asString().find("another server") !=
               std::string::npos);
    BOOST_TEST(client.seen().size() == 1U);
}

BOOST_AUTO_TEST_CASE(endpoints_that_are_not_all_configured_need_discovery) {
    const auto fails = [this] {
        drop_service();
        time.advance(Discovery::kLongestPause);
        client.fail(Errc::Timeout, "idp.example: timed out");
        const Shown failed = start_code();
        BOOST_REQUIRE(failed->here);
        BOOST_TEST(failed->json["state"].asString() == "failed");
        BOOST_TEST(failed->json["error"]["class"].asString() == "transient");
        BOOST_TEST(failed->json["error"]["message"].asString().find("idp.example: timed out") !=
                   std::string::npos);
    };
    of_undiscovered_server();
    (void)start_code();
    provider.token_endpoint.clear();
    fails();
    provider.token_endpoint = "https://idp.example/t";
    provider.authorization_endpoint.clear();
    fails();
    provider.device_authorization_endpoint = "https://idp.example/d";  // of the other flow
    fails();
}

BOOST_AUTO_TEST_CASE(google_is_asked_for_a_refresh_token) {
    provider.type = ProviderType::Google;
    begin();
    BOOST_TEST(parameter(*shown, "access_type") == "offline");
    BOOST_TEST(parameter(*shown, "prompt") == "consent");
    BOOST_TEST(parameter(*shown, "scope") ==
               "https%3A%2F%2Fmail.google.com%2F%20openid%20email%20profile");
}

BOOST_AUTO_TEST_CASE(yahoo_is_asked_for_nothing_but_mail) {
    provider.type = ProviderType::Yahoo;
    begin();
    BOOST_TEST(parameter(*shown, "scope") == "mail-w");
    BOOST_TEST(shown->json["authorize_url"].asString().find("nonce") == std::string::npos);
    client.answer(200, tokens("S3ntinel-at", "S3ntinel-rt"));
    const Shown done = paste(good_answer());
    BOOST_TEST(done->json["state"].asString() == "done");
    BOOST_TEST(done->json["user_confirmed_by"].asString() == "unconfirmed");
    BOOST_TEST(list(done->json["warnings"]).find("unconfirmed") == 0U);
}

struct Redirect {
    const char* name;
    const char* configured;
    const char* asked;
    bool fits;
};
std::ostream& operator<<(std::ostream& out, const Redirect& row) { return out << row.name; }
const Redirect kRedirects[] = {
    {"free port", "", "http://localhost:1234", true},
    {"by number", "", "http://127.0.0.1:1234/", true},
    {"another host", "", "http://evil.example:1234", false},
    {"https", "", "https://localhost:1234", false},
    {"looks like it", "", "http://localhost.evil.example:80", false},
    {"a user", "", "http://localhost@evil.example", false},
    {"a query", "", "http://localhost:1?x=y", false},
    {"no such port", "", "http://localhost:70000", false},
    {"fixed port", "http://localhost:8080/back", "http://localhost:8080/back", true},
    {"not the fixed port", "http://localhost:8080/back", "http://localhost:8081/back", false},
    {"not the path", "http://localhost/back", "http://localhost:1/", false},
    {"path and free port", "http://localhost/back", "http://localhost:1/back", true},
    {"none", "", "", false},
};
BOOST_DATA_TEST_CASE_F(Room, where_a_browser_may_come_back_to,
                       boost::unit_test::data::make(kRedirects), row) {
    provider.redirect_uri = row.configured;
    const Shown answer =
        ask("login_start", R"({"account":"alice@contoso.com","flow":"code","redirect_uri":")" +
                               std::string(row.asked) + "\"}");
    turn();
    BOOST_REQUIRE(answer->here);
    BOOST_TEST((answer->status == "ok") == row.fits);
}

BOOST_AUTO_TEST_SUITE_END()
