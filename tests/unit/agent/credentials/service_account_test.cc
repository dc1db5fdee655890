// SPDX-License-Identifier: Apache-2.0
#include "token-agent/credentials/service_account.hh"

#include <boost/test/unit_test.hpp>
#include <optional>

#include "tests/support/manual_time.hh"
#include "tests/support/scripted_http.hh"
#include "tests/support/test_keys.hh"
#include "token-agent/grants/service_account.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace std::chrono_literals;
using protocol::FailureClass;
using protocol::FailureCode;

std::string key_file(const std::string& more = {}) {
    std::string pem = test::pem_of(test::rsa_key());
    for (std::size_t at = pem.find('\n'); at != std::string::npos; at = pem.find('\n', at)) {
        pem.replace(at, 1, "\\n");
    }
    return R"({"type":"service_account","client_email":"robot@p.example","client_id":"104",)"
           R"("private_key_id":"kid7",)" +
           more + R"("private_key":")" + pem + "\"}";
}

struct Room {
    Room() {
        provider.name = "workspace";
        provider.type = ProviderType::Google;
        provider.service_account = parse_service_account(key_file(), false).value();
    }

    FetchResult fetch() {
        auto config = std::make_shared<AgentConfig>();
        config->providers.push_back(provider);
        FetchWish wish;
        wish.config = config;
        wish.grant = Grant::ServiceAccount;
        wish.account = "alice@example.org";
        std::optional<FetchResult> answer;
        source.fetch(wish, [&](FetchResult got) { answer.emplace(std::move(got)); });
        BOOST_TEST(!answer.has_value());
        config.reset();
        wish.config.reset();
        client.run();
        time.run_due();
        BOOST_REQUIRE(answer.has_value());
        return std::move(*answer);
    }

    /// Of the assertion that was sent last.
    [[nodiscard]] test::JwtParts sent_jwt() const {
        const std::string& body = client.seen().back().body;
        const std::size_t at = body.find("&assertion=");
        BOOST_REQUIRE(at != std::string::npos);
        return test::split_jwt(std::string_view(body).substr(at + 11));
    }

    test::ScriptedHttp client;
    test::ManualTime time;
    Discovery discovery{client, time};
    TokenExchange exchange{{client, discovery, time, time}};
    ServiceAccountGrant source{{exchange, time, time}};
    ProviderConfig provider;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(service_account_test, Room)

BOOST_AUTO_TEST_CASE(the_account_acts_for_the_mailbox) {
    client.answer(200, R"({"access_token":"ya29.x","expires_in":3599,"token_type":"Bearer"})");
    const auto answer = fetch();
    BOOST_REQUIRE(answer.has_value());
    BOOST_TEST(answer->access_token.reveal() == "ya29.x");
    const auto& sent = client.seen().back();
    BOOST_TEST(sent.url == "https://oauth2.googleapis.com/token");
    BOOST_TEST(sent.body.find("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&"
                              "assertion=") == 0U);
    BOOST_TEST(sent.body.find("client_id") == std::string::npos);
    BOOST_TEST(sent.body.find("scope") == std::string::npos);
    const auto jwt = sent_jwt();
    BOOST_TEST(test::is_signed_by(jwt, test::rsa_key(), "RS256"));
    BOOST_TEST(jwt.header == R"({"alg":"RS256","typ":"JWT","kid":"kid7"})");
    BOOST_TEST(jwt.payload ==
               R"({"iss":"robot@p.example","sub":"alice@example.org",)"
               R"("scope":"https://mail.google.com/","aud":"https://oauth2.googleapis.com/token",)"
               R"("iat":1800000000,"exp":1800003600})");
}

BOOST_AUTO_TEST_CASE(unauthorized_says_where_to_enter_what) {
    client.answer(
        401, R"({"error":"unauthorized_client","error_description":"Client is unauthorized"})");
    const auto answer = fetch();
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST((answer.error().answer.failure_class == FailureClass::NeedsAdmin));
    BOOST_TEST((answer.error().answer.code == FailureCode::UnauthorizedClient));
    BOOST_TEST(answer.error().answer.message.find(
                   "In the Google admin console under Security, API controls, domain-wide "
                   "delegation, add client ID 104 with scope https://mail.google.com/") !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_refused_assertion_needs_the_admin) {
    client.answer(400, R"({"error":"invalid_grant","error_description":"Invalid JWT Signature."})");
    const auto answer = fetch();
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST((answer.error().answer.failure_class == FailureClass::NeedsAdmin));
    BOOST_TEST(answer.error().answer.message.find("Invalid JWT Signature") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_server_that_quotes_the_assertion) {
    client.answer(200, "{}");
    (void)fetch();
    const std::string assertion = sent_jwt().signed_text;
    provider.token_endpoint = "https://quotes.example/token";
    client.answer(400, R"({"error":"odd","error_description":"got )" + assertion + "\"}");
    const auto answer = fetch();
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST(answer.error().answer.message.find("eyJ") == std::string::npos);
    BOOST_TEST(client.seen().back().url == "https://quotes.example/token");
    BOOST_TEST(sent_jwt().payload.find(R"("aud":"https://oauth2.googleapis.com/token")") !=
               std::string::npos);  // Google's own name, by whatever gateway it goes
}

BOOST_AUTO_TEST_CASE(without_a_key_nothing_is_sent) {
    provider.service_account.reset();
    const auto answer = fetch();
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST(answer.error().answer.message ==
               "provider 'workspace': service_account_key is not set. Add it, then reload");
    BOOST_TEST(client.seen().empty());
}

BOOST_AUTO_TEST_CASE(key_files) {
    BOOST_TEST(parse_service_account(key_file(R"("token_uri":"https://t.example/x",)"), false)
                   .value()
                   ->facts()
                   .token_uri == "https://t.example/x");
    const auto error = [](const std::string& text, bool loopback = false) {
        const auto parsed = parse_service_account(text, loopback);
        return parsed ? std::string() : parsed.error().context;
    };
    BOOST_TEST(error(key_file(R"("token_uri":"http://127.0.0.1:8/",)"), true).empty());
    BOOST_TEST(error(key_file(R"("token_uri":"http://127.0.0.1:8/",)")).find("token_uri in it") ==
               0U);
    BOOST_TEST(error(key_file(R"("token_uri":"http://t.example/",)"), true).find("token_uri") ==
               0U);
    BOOST_TEST(error("[]").find("expected the JSON key file") == 0U);
    BOOST_TEST(error(R"({"type":"authorized_user"})") ==
               "expected a key file of type service_account, this one says 'authorized_user'");
    BOOST_TEST(error(R"({"type":"service_account"})") == "it has no client_email");
    BOOST_TEST(error(R"({"type":"service_account","client_email":"a b"})") ==
               "client_email in it is malformed");
    BOOST_TEST(error(R"({"type":"service_account","client_email":"a"})") ==
               "it has no private_key");
    BOOST_TEST(error(R"({"type":"service_account","client_email":"a","private_key":"S3ntinel"})") ==
               "private_key: expected PEM (-----BEGIN PRIVATE KEY-----)");
}

BOOST_AUTO_TEST_SUITE_END()
