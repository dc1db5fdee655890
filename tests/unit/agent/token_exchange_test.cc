// SPDX-License-Identifier: Apache-2.0
#include "token-agent/token_exchange.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <optional>
#include <ostream>

#include "tests/support/manual_time.hh"
#include "tests/support/scripted_http.hh"

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
