// SPDX-License-Identifier: Apache-2.0
#include "token-agent/token_exchange.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <optional>
#include <ostream>

#include "tests/support/manual_time.hh"
#include "tests/support/scripted_http.hh"
#include "tests/support/temp_dir.hh"
#include "tests/support/test_keys.hh"
#include "token-agent/credentials/signing_key.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace std::chrono_literals;
using protocol::FailureClass;
using protocol::FailureCode;

constexpr const char* kToken =
    R"({"token_type":"Bearer","expires_in":3599,"access_token":"abc","refresh_token":"next"})";
constexpr const char* kWrongSecret = R"({"error":"invalid_client","error_codes":[7000215]})";
constexpr const char* kOldSecret = R"({"error":"invalid_client","error_codes":[7000222]})";
constexpr const char* kPublicApp = R"({"error":"invalid_client","error_codes":[700025]})";
constexpr const char* kBadSignature = R"({"error":"invalid_client","error_codes":[700027]})";
constexpr const char* kTimeRange = R"({"error":"invalid_client","error_codes":[700024]})";
constexpr const char* kGone = R"({"error":"invalid_grant","error_codes":[700082]})";

struct LineLog final : Log {
    void write(const LogLine& line) override { lines.push_back(line.text()); }
    std::vector<std::string> lines;
};

struct Room {
    Room() {
        provider.name = "contoso";
        provider.type = ProviderType::Microsoft;
        provider.tenant = "contoso.example";
        provider.client_id = "0000-id";
        request.grant = Grant::Delegated;
        request.fields = {{"grant_type", "refresh_token"}};
        request.secret_fields = {
            {"refresh_token", std::make_shared<const Secret>("S3ntinel-refresh")}};
    }

    void add_secret(std::string_view text) {
        ClientCredential credential;
        credential.secret = std::make_shared<const Secret>(text);
        provider.credentials.push_back(std::move(credential));
    }

    void add_certificate(EVP_PKEY* key = test::rsa_key()) {
        const std::string pem = test::pem_of(test::make_certificate(key));
        const std::string secret = test::pem_of(key);
        ClientCredential credential;
        credential.kind = CredentialKind::Certificate;
        credential.key = load_certificate_key({pem, secret, ""}).value();
        provider.credentials.push_back(std::move(credential));
    }
    [[nodiscard]] test::JwtParts sent_jwt(std::size_t index) const {
        constexpr std::string_view kMark = "&client_assertion=";
        const std::string_view body = client.seen().at(index).body;
        const std::size_t at = body.find(kMark);
        BOOST_REQUIRE(at != std::string_view::npos);
        return test::split_jwt(body.substr(at + kMark.size()));
    }

    ExchangeResult send() {
        auto config = std::make_shared<AgentConfig>();
        config->providers.push_back(provider);
        request.config = config;
        std::optional<ExchangeResult> answer;
        exchange.send(request, [&](ExchangeResult got) {
            BOOST_TEST(!answer.has_value());  // once
            answer.emplace(std::move(got));
        });
        BOOST_TEST(!answer.has_value());  // later
        config.reset();
        request.config.reset();
        client.run();
        time.run_due();
        BOOST_REQUIRE(answer.has_value());
        if (!*answer) {
            BOOST_TEST(answer->error().answer.message.find("S3ntinel") == std::string::npos);
        }
        for (const std::string& line : log.lines) {
            BOOST_TEST(line.find("S3ntinel") == std::string::npos);
        }
        return std::move(*answer);
    }

    [[nodiscard]] bool sent(std::size_t index, const std::string& part) const {
        return client.seen().at(index).body.find(part) != std::string::npos;
    }

    test::ScriptedHttp client;
    test::ManualTime time;
    Discovery discovery{client, time};
    LineLog log;
    TokenExchange exchange{{client, discovery, time, time, &log}};
    ProviderConfig provider;
    ExchangeRequest request;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(token_exchange_test, Room)

BOOST_AUTO_TEST_CASE(a_public_client_sends_its_id_alone) {
    client.answer(200, kToken);
    request.scope = "a b";
    const auto answer = send();
    BOOST_REQUIRE(answer.has_value());
    BOOST_TEST(client.seen().at(0).body ==
               "grant_type=refresh_token&refresh_token=S3ntinel-refresh&client_id=0000-id"
               "&scope=a%20b");
    BOOST_TEST(answer->refresh_token->reveal() == "next");
    BOOST_TEST(!answer->public_client);
}

BOOST_AUTO_TEST_CASE(a_login_made_without_credentials_stays_without) {
    add_secret("S3ntinel-one");
    request.public_client = true;
    client.answer(200, kToken);
    BOOST_REQUIRE(send().has_value());
    BOOST_TEST(!sent(0, "client_secret"));
}

BOOST_AUTO_TEST_CASE(the_next_credential_is_tried_and_then_comes_first) {
    add_secret("S3ntinel-one");
    add_secret("S3ntinel-two");
    client.answer(401, kOldSecret);
    client.answer(200, kToken);
    auto answer = send();
    BOOST_REQUIRE(answer.has_value());
    BOOST_TEST(answer->credential == 1U);
    BOOST_TEST(sent(0, "S3ntinel-one"));
    BOOST_TEST(sent(1, "S3ntinel-two"));
    BOOST_REQUIRE(log.lines.size() == 1U);
    BOOST_TEST(log.lines[0].find("event=credential_refused provider=contoso "
                                 "credential=\"client_secret 1 of 2\" "
                                 "next=\"client_secret 2 of 2\"") != std::string::npos);

    client.answer(200, kToken);
    answer = send();
    BOOST_REQUIRE(answer.has_value());
    BOOST_TEST(sent(2, "S3ntinel-two"));
    BOOST_TEST(client.seen().size() == 3U);

    client.answer(401, kOldSecret);  // the other way round
    client.answer(200, kToken);
    answer = send();
    BOOST_REQUIRE(answer.has_value());
    BOOST_TEST(answer->credential == 0U);
}

BOOST_AUTO_TEST_CASE(a_shorter_list_forgets_what_is_no_longer_there) {
    add_secret("S3ntinel-one");
    add_secret("S3ntinel-two");
    client.answer(401, kOldSecret);
    client.answer(200, kToken);
    BOOST_REQUIRE(send().has_value());
    provider.credentials.pop_back();
    client.answer(200, kToken);
    BOOST_REQUIRE(send().has_value());
    BOOST_TEST(sent(2, "S3ntinel-one"));
}

BOOST_AUTO_TEST_CASE(the_message_names_the_credential) {
    add_secret("S3ntinel-one");
    add_secret("S3ntinel-two");
    client.answer(401, kOldSecret);
    client.answer(401, kWrongSecret);
    const auto answer = send();
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST((answer.error().answer.failure_class == FailureClass::NeedsAdmin));
    BOOST_TEST(answer.error().answer.hint == "AADSTS7000215");
    BOOST_TEST(answer.error().answer.message.find("provider 'contoso': client_secret 2 of 2: wrong "
                                                  "client secret (AADSTS7000215)") == 0U);
    BOOST_TEST(client.seen().size() == 2U);
}

BOOST_AUTO_TEST_CASE(what_passes_by_itself_is_the_answer_of_them_all) {
    client.answer(200, kToken);
    BOOST_REQUIRE(send().has_value());  // seen, so that the next is a change
    add_secret("S3ntinel-one");
    add_secret("S3ntinel-two");
    client.answer(401, kWrongSecret);  // it may still have to spread
    client.answer(401, kOldSecret);
    const auto answer = send();
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST((answer.error().answer.failure_class == FailureClass::Transient));
    BOOST_TEST(answer.error().answer.hint == "AADSTS7000215");
}

struct StopRow {
    const char* name;
    long status;
    const char* body;
    FailureClass failure_class;
};
std::ostream& operator<<(std::ostream& out, const StopRow& row) { return out << row.name; }
const StopRow kStops[] = {
    {"the grant has ended", 400, kGone, FailureClass::NeedsUser},
    {"the provider throttles", 429, "Too Many Requests", FailureClass::Transient},
    {"the provider is down, whatever it says", 503, kWrongSecret, FailureClass::Transient},
    {"the app is not known", 400, R"({"error":"unauthorized_client","error_codes":[700016]})",
     FailureClass::NeedsAdmin},
    {"a portal", 200, "<html>", FailureClass::Transient},
};
BOOST_DATA_TEST_CASE(no_other_credential_would_help, boost::unit_test::data::make(kStops), row) {
    add_secret("S3ntinel-one");
    add_secret("S3ntinel-two");
    client.answer(row.status, row.body);
    const auto answer = send();
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST((answer.error().answer.failure_class == row.failure_class));
    BOOST_TEST(client.seen().size() == 1U);
    BOOST_TEST(answer.error().answer.message.find("1 of 2") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_public_app_gets_its_request_without_the_secret) {
    add_secret("S3ntinel-one");
    client.answer(401, kPublicApp);
    client.answer(200, kToken);
    const auto answer = send();
    BOOST_REQUIRE(answer.has_value());
    BOOST_TEST(answer->public_client);
    BOOST_TEST(sent(0, "client_secret="));
    BOOST_TEST(!sent(1, "client_secret"));
    BOOST_TEST(sent(1, "client_id=0000-id"));
}

BOOST_AUTO_TEST_CASE(a_public_app_is_asked_once_more_only) {
    add_secret("S3ntinel-one");
    client.answer(401, kPublicApp);
    client.answer(401, kPublicApp);
    BOOST_TEST(!send().has_value());
    BOOST_TEST(client.seen().size() == 2U);
}

BOOST_AUTO_TEST_CASE(an_app_only_token_needs_a_client_that_proves_itself) {
    add_secret("S3ntinel-one");
    request.grant = Grant::ClientCredentials;
    client.answer(401, kPublicApp);
    const auto answer = send();
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST((answer.error().answer.code == FailureCode::InvalidClient));
    BOOST_TEST(client.seen().size() == 1U);
}

// ---- certificates -------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_certificate_sends_an_assertion) {
    add_certificate();
    client.answer(200, kToken);
    BOOST_REQUIRE(send().has_value());
    BOOST_TEST(sent(0,
                    "client_id=0000-id&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3A"
                    "client-assertion-type%3Ajwt-bearer&client_assertion="));
    BOOST_TEST(!sent(0, "client_secret"));
    const auto jwt = sent_jwt(0);
    BOOST_TEST(test::is_signed_by(jwt, test::rsa_key(), "PS256"));
    BOOST_TEST(
        jwt.payload.find(
            R"("aud":"https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token")") !=
        std::string::npos);
}

BOOST_AUTO_TEST_CASE(an_expired_certificate_is_not_sent) {
    time.advance(std::chrono::seconds(200'000'000));  // to the end of it, which counts as over
    add_certificate();
    auto answer = send();
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST((answer.error().answer.failure_class == FailureClass::NeedsAdmin));
    BOOST_TEST((answer.error().answer.code == FailureCode::CertExpired));
    BOOST_TEST(answer.error().answer.message.find("provider 'contoso': certificate CN=postbearer "
                                                  "(thumbprint ") == 0U);
    BOOST_TEST(answer.error().answer.message.find(
                   "): expired on 2033-05-18. Make a new certificate, upload it to the app "
                   "registration, set certificate and private_key to it, then reload") !=
               std::string::npos);
    BOOST_TEST(client.seen().empty());

    add_secret("S3ntinel-one");  // which is tried then
    client.answer(200, kToken);
    answer = send();
    BOOST_REQUIRE(answer.has_value());
    BOOST_TEST(answer->credential == 1U);
}

BOOST_AUTO_TEST_CASE(a_certificate_that_the_server_does_not_know) {
    add_certificate();
    client.answer(401, kBadSignature);
    client.answer(401, kBadSignature);
    const auto answer = send();
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST(client.seen().size() == 2U);  // the second one with RS256
    BOOST_TEST(test::is_signed_by(sent_jwt(1), test::rsa_key(), "RS256"));
    BOOST_TEST(answer.error().answer.message.find(
                   "provider 'contoso': certificate CN=postbearer (thumbprint ") == 0U);
    BOOST_TEST(answer.error().answer.hint == "AADSTS700027");
}

BOOST_AUTO_TEST_CASE(a_clock_that_is_wrong_is_said) {
    add_certificate();
    auto response = test::json_response(401, kTimeRange);
    response.date = time.wall() + 7min;
    client.answer(std::move(response));
    const auto answer = send();
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST(answer.error().answer.message.find(
                   "This host's clock is 420 s behind the server's") != std::string::npos);
    BOOST_TEST(client.seen().size() == 1U);  // RS256 would not help
}

BOOST_AUTO_TEST_CASE(rs256_is_remembered_for_the_certificate) {
    add_certificate();
    client.answer(400, R"({"error":"invalid_client"})");  // as AD FS
    client.answer(200, kToken);
    BOOST_REQUIRE(send().has_value());
    client.answer(200, kToken);
    BOOST_REQUIRE(send().has_value());
    BOOST_TEST(client.seen().size() == 3U);
    BOOST_TEST(test::is_signed_by(sent_jwt(2), test::rsa_key(), "RS256"));
}

BOOST_AUTO_TEST_CASE(rs256_where_the_metadata_say_so) {
    provider.type = ProviderType::Oidc;
    provider.issuer = "https://idp.example";
    add_certificate();
    client.answer(200,
                  R"({"issuer":"https://idp.example","token_endpoint":"https://idp.example/tok",)"
                  R"("token_endpoint_auth_signing_alg_values_supported":["HS256","RS256"]})");
    client.answer(400, R"({"error":"invalid_client"})");
    BOOST_TEST(!send().has_value());
    BOOST_TEST(client.seen().size() == 2U);  // PS256 is not tried afterwards
    BOOST_TEST(test::is_signed_by(sent_jwt(1), test::rsa_key(), "RS256"));
}

BOOST_AUTO_TEST_CASE(an_ec_key_has_one_algorithm) {
    provider.type = ProviderType::Oidc;
    provider.token_endpoint = "https://idp.example/tok";
    add_certificate(test::ec_key());
    client.answer(400, R"({"error":"invalid_client"})");
    BOOST_TEST(!send().has_value());
    BOOST_TEST(client.seen().size() == 1U);
    BOOST_TEST(test::is_signed_by(sent_jwt(0), test::ec_key(), "ES256"));
}

BOOST_AUTO_TEST_CASE(a_key_that_is_read_anew_is_no_change) {
    const std::string pem = test::pem_of(test::make_certificate(test::rsa_key()));
    const std::string key = test::pem_of(test::rsa_key());
    const std::string other = test::pem_of(test::make_certificate(test::rsa_key()));
    ClientCredential credential;
    credential.kind = CredentialKind::Certificate;
    const auto refused_after = [&](const std::string& certificate) {
        credential.key = load_certificate_key({certificate, key, ""}).value();
        provider.credentials = {credential};
        client.answer(400, R"({"error":"invalid_request","error_codes":[70021]})");
        return send().error().answer.failure_class;
    };
    BOOST_TEST((refused_after(pem) == FailureClass::NeedsAdmin));
    BOOST_TEST((refused_after(pem) == FailureClass::NeedsAdmin));
    BOOST_TEST((refused_after(other) == FailureClass::Transient));  // it has to spread
}

// ---- federated tokens ---------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_federated_token_is_sent_as_it_is_and_shown_when_refused) {
    const test::TempDir dir;
    const std::string token =
        "eyJhbGciOiJSUzI1NiJ9."
        "eyJpc3MiOiJodHRwczovL2s4cy5leGFtcGxlIiwic3ViIjoiU3lzdGVtOnJlbGF5Iiwi"
        "YXVkIjoiYXBpOi8vQSJ9.S3ntinel";
    ClientCredential credential;
    credential.kind = CredentialKind::FederatedToken;
    credential.federated_token_file = (dir.path() / "token").string();
    provider.credentials.push_back(credential);

    auto answer = send();  // not there yet
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST(answer.error().answer.message.find("cannot be opened") != std::string::npos);
    BOOST_TEST(client.seen().empty());

    std::ofstream(credential.federated_token_file) << token << '\n';
    client.answer(200, kToken);
    BOOST_REQUIRE(send().has_value());
    BOOST_TEST(client.seen().at(0).body.ends_with("&client_assertion=" + token));

    client.answer(401, R"({"error":"invalid_client","error_codes":[700213]})");
    answer = send();
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST(answer.error().answer.message.find("(case matters): iss "
                                                  "'https://k8s.example', sub 'System:relay', aud "
                                                  "'api://A', or wait") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_device_poll_sees_the_error_itself) {
    client.answer(400, R"({"error":"authorization_pending"})");
    const auto answer = send();
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST(answer.error().error == "authorization_pending");
    BOOST_TEST((answer.error().answer.failure_class == FailureClass::Transient));
}

BOOST_AUTO_TEST_CASE(a_server_that_quotes_the_refresh_token) {
    for (const char* text : {"S3ntinel-refresh", "%53"}) {
        client.answer(400, std::string(R"({"error":"odd","error_description":"got )") + text +
                               " S3ntinel-refresh\"}");
        BOOST_TEST(!send().has_value());  // which looks for it
    }
}

BOOST_AUTO_TEST_SUITE_END()
