// SPDX-License-Identifier: Apache-2.0
#include "token-agent/grants/client_credentials.hh"

#include <algorithm>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <optional>
#include <ostream>

#include "tests/support/client_secret.hh"
#include "tests/support/manual_time.hh"
#include "tests/support/scripted_http.hh"
#include "token-agent/discovery.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace std::chrono_literals;
using protocol::FailureClass;
using protocol::FailureCode;

constexpr const char* kSentinel = "S3ntinel+Secret&=%~";
constexpr const char* kToken = R"({"token_type":"Bearer","expires_in":3599,"access_token":"abc"})";
constexpr const char* kWrongSecret = R"({"error":"invalid_client","error_codes":[7000215]})";

FetchWish wish_for(std::shared_ptr<const AgentConfig> config, Resource resource) {
    FetchWish wish;
    wish.config = std::move(config);
    wish.resource = resource;
    return wish;
}

struct Room {
    Room() {
        provider.name = "contoso";
        provider.type = ProviderType::Microsoft;
        provider.tenant = "contoso.example";
        provider.client_id = "0000-id";
        set_secret(kSentinel);
    }

    void set_secret(std::string_view text) { test::set_client_secret(provider, text); }

    std::optional<FetchResult> fetch(Resource resource = Resource::Smtp) {
        auto config = std::make_shared<AgentConfig>();
        config->providers.push_back(provider);
        config->ca_file = "/ca.pem";
        std::optional<FetchResult> answer;
        source.fetch(wish_for(config, resource),
                     [&](FetchResult got) { answer.emplace(std::move(got)); });
        BOOST_TEST(!answer.has_value());  // later, never inside fetch()
        config.reset();
        client.run();
        time.run_due();
        if (answer && !*answer) {
            BOOST_TEST(answer->error().answer.message.find("S3ntinel") == std::string::npos);
        }
        return answer;
    }

    const test::ScriptedHttp::Seen& sent() {
        BOOST_REQUIRE(!client.seen().empty());
        return client.seen().back();
    }
    bool sent_header(const std::string& prefix) {
        const auto& headers = sent().headers;
        return std::any_of(headers.begin(), headers.end(), [&](const std::string& line) {
            return line.compare(0, prefix.size(), prefix) == 0;
        });
    }

    test::ScriptedHttp client;
    test::ManualTime time;
    Discovery discovery{client, time};
    TokenExchange exchange{{client, discovery, time, time}};
    ClientCredentials source{{exchange, time, time}};
    ProviderConfig provider;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(client_credentials_test, Room)

BOOST_AUTO_TEST_CASE(the_request_is_what_entra_wants) {
    client.answer(200, kToken);
    const auto answer = fetch();
    BOOST_REQUIRE((answer.has_value() && answer->has_value()));
    BOOST_TEST((*answer)->access_token.reveal() == "abc");
    BOOST_TEST(((*answer)->expires_in == 3599s));
    BOOST_TEST((sent().method == http::Method::Post));
    BOOST_TEST(sent().url == "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token");
    BOOST_TEST(sent().body ==
               "grant_type=client_credentials&client_id=0000-id"
               "&client_secret=S3ntinel%2BSecret%26%3D%25%7E"
               "&scope=https%3A%2F%2Foutlook.office365.com%2F.default");
    BOOST_TEST(sent().authorization.empty());
    BOOST_TEST(sent().transport.ca_file == "/ca.pem");
    BOOST_TEST(sent_header("Accept: application/json"));
    BOOST_TEST(sent_header("client-request-id: "));
    BOOST_TEST(sent_header("x-ms-lib-capability: retry-after, h429"));
}

BOOST_AUTO_TEST_CASE(each_request_has_an_id_of_its_own) {
    client.answer(200, kToken);
    client.answer(200, kToken);
    (void)fetch();
    (void)fetch();
    const std::string first = client.seen().at(0).headers.at(1);
    BOOST_TEST(first != client.seen().at(1).headers.at(1));
    BOOST_TEST(first.size() == std::string("client-request-id: ").size() + 36);
    BOOST_TEST(first.at(std::string("client-request-id: ").size() + 14) == '4');
}

BOOST_AUTO_TEST_CASE(each_resource_has_its_own_scope) {
    client.answer(200, kToken);
    (void)fetch(Resource::Graph);
    BOOST_TEST(sent().body.find("&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default") !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(basic_encodes_before_it_joins) {
    provider.type = ProviderType::Oidc;
    provider.token_endpoint = "https://idp.example/token";
    provider.client_auth = ClientAuth::Basic;
    provider.client_id = "id:1";
    set_secret("p:w+%");
    client.answer(200, kToken);
    (void)fetch();
    // base64 of id%3A1:p%3Aw%2B%25
    BOOST_TEST(sent().authorization == "Basic aWQlM0ExOnAlM0F3JTJCJTI1");
    BOOST_TEST(sent().body == "grant_type=client_credentials");
    BOOST_TEST(!sent_header("client-request-id: "));
}

BOOST_AUTO_TEST_CASE(without_a_secret_nothing_is_sent) {
    for (int i = 0; i < 2; ++i) {
        if (i == 0) {
            provider.credentials.clear();
        } else {
            set_secret("");
        }
        const auto answer = fetch();
        BOOST_REQUIRE((answer.has_value() && !answer->has_value()));
        BOOST_TEST((answer->error().answer.failure_class == FailureClass::NeedsAdmin));
        BOOST_TEST((answer->error().answer.code == FailureCode::InvalidClient));
        BOOST_TEST(answer->error().answer.message ==
                   (i == 0 ? "provider 'contoso': client_credentials needs a client_secret, a "
                             "certificate or another credential, and none is set. Add one, then "
                             "reload"
                           : "provider 'contoso': the client_secret is empty"));
    }
    BOOST_TEST(client.seen().empty());  // no client_secret= either (1.10 defect 13)
}

BOOST_AUTO_TEST_CASE(a_resource_or_tenant_that_cannot_be_needs_the_admin) {
    provider.tenant = "";
    auto answer = fetch();
    BOOST_REQUIRE((answer.has_value() && !answer->has_value()));
    BOOST_TEST((answer->error().answer.failure_class == FailureClass::NeedsAdmin));
    BOOST_TEST(answer->error().answer.message.find("provider 'contoso': tenant must be") == 0U);
    provider.type = ProviderType::Google;
    answer = fetch(Resource::Graph);
    BOOST_TEST(answer->error().answer.message.find("google offers no tokens for graph") !=
               std::string::npos);
    BOOST_TEST(client.seen().empty());
}

BOOST_AUTO_TEST_CASE(the_endpoint_comes_from_discovery) {
    provider.type = ProviderType::Oidc;
    provider.issuer = "https://idp.example";
    client.answer(200,
                  R"({"issuer":"https://idp.example","token_endpoint":"https://idp.example/tok"})");
    client.answer(200, kToken);
    auto answer = fetch();
    BOOST_REQUIRE((answer.has_value() && answer->has_value()));
    BOOST_TEST(sent().url == "https://idp.example/tok");
    client.answer(200, kToken);
    answer = fetch();
    BOOST_REQUIRE((answer.has_value() && answer->has_value()));
    BOOST_TEST(client.seen().size() == 3U);  // discovery was asked once
}

BOOST_AUTO_TEST_CASE(a_failing_discovery_is_answered_later_too) {
    provider.type = ProviderType::Oidc;
    provider.issuer = "https://idp.example";
    client.fail(Errc::Unavailable, "idp.example: connection refused");
    for (int i = 0; i < 2; ++i) {  // the second is answered from memory
        const auto answer = fetch();
        BOOST_REQUIRE((answer.has_value() && !answer->has_value()));
        BOOST_TEST((answer->error().answer.code == FailureCode::Network));
        BOOST_TEST(answer->error().answer.message ==
                   "provider 'contoso': discovery: idp.example: connection refused. "
                   "Retried automatically");
    }
    BOOST_TEST(client.seen().size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_network_error_is_transient) {
    client.fail(Errc::Timeout, "login.microsoftonline.com: no answer within 30 s");
    const auto answer = fetch();
    BOOST_REQUIRE((answer.has_value() && !answer->has_value()));
    BOOST_TEST((answer->error().answer.failure_class == FailureClass::Transient));
    BOOST_TEST((answer->error().answer.code == FailureCode::Timeout));
}

struct EchoRow {
    const char* name;
    const char* body;
};
std::ostream& operator<<(std::ostream& out, const EchoRow& row) { return out << row.name; }
const EchoRow kEchoes[] = {
    {"plain", R"({"error":"odd","error_description":"got S3ntinel+Secret&=%~"})"},
    {"encoded", R"({"error":"odd","error_description":"got S3ntinel%2BSecret%26%3D%25%7E"})"},
    {"in HTML", "<html>S3ntinel+Secret&=%~</html>"},
};
BOOST_DATA_TEST_CASE(a_server_that_quotes_the_secret, boost::unit_test::data::make(kEchoes), row) {
    client.answer(400, row.body);
    const auto answer = fetch();  // which looks for the secret
    BOOST_REQUIRE((answer.has_value() && !answer->has_value()));
}

BOOST_AUTO_TEST_CASE(a_wrong_secret_at_the_start_is_said_at_once) {
    client.answer(401, kWrongSecret);
    BOOST_TEST((fetch()->error().answer.failure_class == FailureClass::NeedsAdmin));
}

BOOST_AUTO_TEST_CASE(a_new_secret_has_a_quarter_of_an_hour_to_spread) {
    client.answer(200, kToken);
    (void)fetch();
    set_secret("another S3ntinel");
    client.answer(401, kWrongSecret);
    BOOST_TEST((fetch()->error().answer.failure_class == FailureClass::Transient));
    time.advance(15min - 1s);
    client.answer(401, kWrongSecret);
    BOOST_TEST((fetch()->error().answer.failure_class == FailureClass::Transient));
    time.advance(1s);
    client.answer(401, kWrongSecret);
    BOOST_TEST((fetch()->error().answer.failure_class == FailureClass::NeedsAdmin));
}

BOOST_AUTO_TEST_CASE(a_reload_without_a_change_is_none) {
    client.answer(200, kToken);
    (void)fetch();
    set_secret(kSentinel);  // the same again, read anew
    client.answer(401, kWrongSecret);
    BOOST_TEST((fetch()->error().answer.failure_class == FailureClass::NeedsAdmin));
}

BOOST_AUTO_TEST_CASE(the_source_may_go_before_the_answer) {
    auto config = std::make_shared<AgentConfig>();
    config->providers.push_back(provider);
    bool called = false;
    {
        TokenExchange brief_exchange({client, discovery, time, time});
        ClientCredentials brief({brief_exchange, time, time});
        brief.fetch(wish_for(config, Resource::Smtp),
                    [&](FetchResult got) { called = got.has_value(); });
    }
    config.reset();
    client.answer(200, kToken);
    client.run();
    BOOST_TEST(called);
}

BOOST_AUTO_TEST_SUITE_END()
