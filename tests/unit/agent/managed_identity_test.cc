// SPDX-License-Identifier: Apache-2.0
#include "token-agent/grants/managed_identity.hh"

#include <stdlib.h>

#include <algorithm>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <optional>
#include <ostream>

#include "tests/support/client_secret.hh"
#include "tests/support/manual_time.hh"
#include "tests/support/scripted_http.hh"
#include "tests/support/temp_dir.hh"
#include "token-agent/grants/client_credentials.hh"
#include "token-agent/token_response.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace std::chrono_literals;
using protocol::FailureClass;
using protocol::FailureCode;

constexpr const char* kToken =
    R"({"access_token":"abc","expires_in":"3599","resource":"https://x","token_type":"Bearer"})";
constexpr const char* kSecret = "S3ntinel-arc-key";

struct Room {
    Room() {
        wish.provider = "contoso";
        wish.resource = "https://graph.microsoft.com";
    }

    FetchResult fetch() {
        std::optional<FetchResult> answer;
        fetch_identity_token(client, time, host, wish,
                             [&](FetchResult got) { answer.emplace(std::move(got)); });
        BOOST_TEST(!answer.has_value());
        client.run();
        BOOST_REQUIRE(answer.has_value());
        if (!*answer) {
            BOOST_TEST(answer->error().answer.message.find("S3ntinel") == std::string::npos);
            BOOST_TEST(answer->error().answer.message.find("provider 'contoso': ") == 0U);
        }
        return std::move(*answer);
    }

    void use_arc() {
        host.arc = "http://127.0.0.1:40342/metadata/identity/oauth2/token";
        host.arc_tokens = dir.path().string();
    }
    void challenge(const std::string& header) {
        http::Response response = test::json_response(401, "{}");
        response.headers["www-authenticate"] = header;
        client.answer(std::move(response));
    }
    void write_key(const std::string& name, const std::string& text) const {
        std::ofstream(dir.path() / name) << text;
    }

    test::TempDir dir;
    test::ScriptedHttp client;
    test::ManualTime time;
    IdentityHost host;
    IdentityWish wish;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(managed_identity_test, Room)

BOOST_AUTO_TEST_CASE(imds_is_asked_as_azure_wants_it) {
    client.answer(200, kToken);
    const auto answer = fetch();
    BOOST_REQUIRE(answer.has_value());
    BOOST_TEST(answer->access_token.reveal() == "abc");
    BOOST_TEST((answer->expires_in == 3599s));
    BOOST_TEST(!answer->refresh_in.has_value());
    const auto& sent = client.seen().at(0);
    BOOST_TEST((sent.method == http::Method::Get));
    BOOST_TEST(sent.url ==
               "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01"
               "&resource=https%3A%2F%2Fgraph.microsoft.com");
    BOOST_TEST((std::find(sent.headers.begin(), sent.headers.end(), "Metadata: true") !=
                sent.headers.end()));
    BOOST_TEST(sent.transport.proxy.empty());
    BOOST_TEST(sent.transport.allow_http_metadata);
    BOOST_TEST(sent.authorization.empty());
}

BOOST_AUTO_TEST_CASE(a_user_assigned_identity_is_named) {
    wish.client_id = "11-22";
    client.answer(200, kToken);
    BOOST_REQUIRE(fetch().has_value());
    BOOST_TEST(client.seen().at(0).url.ends_with("&client_id=11-22"));
}

BOOST_AUTO_TEST_CASE(a_long_life_is_renewed_at_half_time) {
    client.answer(200, R"({"access_token":"abc","expires_in":"86400"})");
    BOOST_TEST((fetch()->refresh_in == 43200s));
    client.answer(200, R"({"access_token":"abc","expires_in":"7200"})");
    BOOST_TEST((fetch()->refresh_in == 3600s));
    client.answer(200, R"({"access_token":"abc","expires_in":"7199"})");
    BOOST_TEST(!fetch()->refresh_in.has_value());
    client.answer(200, R"({"access_token":"abc","expires_in":"86400","refresh_in":"100"})");
    BOOST_TEST((fetch()->refresh_in == 100s));
}

struct StatusRow {
    long status;
    FailureClass failure_class;
};
std::ostream& operator<<(std::ostream& out, const StatusRow& row) { return out << row.status; }
constexpr StatusRow kStatuses[] = {
    {400, FailureClass::NeedsAdmin}, {401, FailureClass::NeedsAdmin},
    {403, FailureClass::NeedsAdmin}, {404, FailureClass::Transient},
    {408, FailureClass::Transient},  {410, FailureClass::Transient},
    {429, FailureClass::Transient},  {500, FailureClass::Transient},
    {503, FailureClass::Transient},
};
BOOST_DATA_TEST_CASE(what_passes_by_itself, boost::unit_test::data::make(kStatuses), row) {
    client.answer(row.status,
                  R"({"error":"invalid_request","error_description":"Identity not found"})");
    const auto answer = fetch();
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST((answer.error().answer.failure_class == row.failure_class));
    BOOST_TEST(answer.error().http_status == row.status);
    BOOST_TEST(answer.error().answer.message.find("HTTP " + std::to_string(row.status) +
                                                  " invalid_request (Identity not found)") !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_throttle_says_how_long) {
    http::Response response = test::json_response(429, "Too Many Requests");
    response.retry_after = 30s;
    client.answer(std::move(response));
    const auto answer = fetch();
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST((answer.error().answer.code == FailureCode::Throttled));
    BOOST_TEST((answer.error().answer.retry_after == 30s));
}

BOOST_AUTO_TEST_CASE(elsewhere_than_in_azure_nobody_answers) {
    client.fail(Errc::Timeout, "169.254.169.254: no answer within 2 s");
    const auto answer = fetch();
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST(answer.error().answer.message.find("managed identity: 169.254.169.254") !=
               std::string::npos);
}

// ---- Azure Arc ----------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(arc_wants_to_see_that_we_may_read_its_file) {
    use_arc();
    write_key("one.key", std::string(kSecret) + "\n");
    challenge("Basic realm=" + dir.path().string() + "/one.key");
    client.answer(200, kToken);
    BOOST_REQUIRE(fetch().has_value());
    BOOST_REQUIRE(client.seen().size() == 2U);
    BOOST_TEST(client.seen()[0].url ==
               "http://127.0.0.1:40342/metadata/identity/oauth2/token?api-version=2020-06-01"
               "&resource=https%3A%2F%2Fgraph.microsoft.com");
    BOOST_TEST(client.seen()[0].authorization.empty());
    BOOST_TEST(client.seen()[1].authorization == std::string("Basic ") + kSecret);
    BOOST_TEST(client.seen()[1].url == client.seen()[0].url);
}

BOOST_AUTO_TEST_CASE(arc_may_refuse_the_key) {
    use_arc();
    write_key("one.key", kSecret);
    challenge("Basic realm=" + dir.path().string() + "/one.key");
    client.answer(401,
                  std::string(R"({"error":"odd","error_description":"not )") + kSecret + "\"}");
    const auto answer = fetch();  // and does not ask a third time
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST((answer.error().answer.failure_class == FailureClass::NeedsAdmin));
    BOOST_TEST(client.seen().size() == 2U);
}

struct ChallengeRow {
    const char* name;
    std::string header;  // DIR stands for the directory
};
std::ostream& operator<<(std::ostream& out, const ChallengeRow& row) { return out << row.name; }
const ChallengeRow kChallenges[] = {
    {"another file", "Basic realm=/etc/passwd"},
    {"out of the directory", "Basic realm=DIR/../../etc/one.key"},
    {"a folder below", "Basic realm=DIR/below/one.key"},
    {"a directory of a longer name", "Basic realm=DIRS/one.key"},
    {"another ending", "Basic realm=DIR/one.txt"},
    {"only the ending", "Basic realm=DIR/.key"},
    {"two dots in the name", "Basic realm=DIR/..one.key"},
    {"the directory", "Basic realm=DIR/"},
    {"a NUL", std::string("Basic realm=DIR/one\0.key", 24)},
    {"another scheme", "Bearer realm=DIR/one.key"},
    {"nothing", ""},
};
BOOST_DATA_TEST_CASE(a_challenge_that_leads_elsewhere, boost::unit_test::data::make(kChallenges),
                     row) {
    use_arc();
    write_key("one.key", kSecret);
    std::string header = row.header;
    if (const std::size_t at = header.find("DIR"); at != std::string::npos) {
        header.replace(at, 3, dir.path().string());
    }
    challenge(header);
    const auto answer = fetch();
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST((answer.error().answer.failure_class == FailureClass::NeedsAdmin));
    BOOST_TEST(answer.error().answer.message.find("points to a file outside of ") !=
               std::string::npos);
    BOOST_TEST(client.seen().size() == 1U);
}

BOOST_AUTO_TEST_CASE(arc_without_a_challenge) {
    use_arc();
    client.answer(401, "{}");
    BOOST_TEST(!fetch().has_value());
    BOOST_TEST(client.seen().size() == 1U);
}

BOOST_AUTO_TEST_CASE(only_a_plain_small_file_is_read) {
    use_arc();
    const auto refused = [&](const std::string& part) {
        challenge("Basic realm=\"" + dir.path().string() + "/one.key\"");
        const auto answer = fetch();
        BOOST_REQUIRE(!answer.has_value());
        BOOST_TEST(answer.error().answer.message.find(part) != std::string::npos);
    };
    refused("one.key cannot be opened: No such file or directory");
    write_key("target", kSecret);
    std::filesystem::create_symlink("target", dir.path() / "one.key");
    refused("one.key cannot be opened: ");
    std::filesystem::remove(dir.path() / "one.key");
    write_key("one.key", std::string(4097, 'x'));
    refused("one.key is larger than 4096 bytes");
    write_key("one.key", "");
    refused("one.key holds no key of Azure Arc");
    write_key("one.key", "S3ntinel\r\nX-Header: 1");
    refused("one.key holds no key of Azure Arc");
    std::filesystem::remove(dir.path() / "one.key");
    std::filesystem::create_directory(dir.path() / "one.key");
    refused("one.key is not a regular file");
    BOOST_TEST(client.seen().size() == 6U);
}

// ---- where it is --------------------------------------------------------------------------------

struct Variables {
    Variables() { clear(); }
    ~Variables() { clear(); }
    Variables(const Variables&) = delete;
    Variables& operator=(const Variables&) = delete;
    Variables(Variables&&) = delete;
    Variables& operator=(Variables&&) = delete;
    static void clear() {
        for (const char* name : {"AZURE_POD_IDENTITY_AUTHORITY_HOST", "IDENTITY_ENDPOINT",
                                 "IMDS_ENDPOINT", "POSTBEARER_ARC_TOKEN_DIR"}) {
            ::unsetenv(name);
        }
    }
};

BOOST_FIXTURE_TEST_CASE(the_environment_says_where, Variables) {
    BOOST_TEST(identity_host_of_this_machine().imds == "http://169.254.169.254");
    BOOST_TEST(identity_host_of_this_machine().arc_tokens == "/var/opt/azcmagent/tokens");
    ::setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:8080/", 1);
    ::setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:40342/x", 1);
    const std::string without = identity_host_of_this_machine().arc;
    BOOST_TEST(without != "http://127.0.0.1:40342/x");  // App Service sets that one alone
    ::setenv("IMDS_ENDPOINT", "http://127.0.0.1:40342", 1);
    ::setenv("POSTBEARER_ARC_TOKEN_DIR", "/tmp/tokens", 1);
    const IdentityHost found = identity_host_of_this_machine();
    BOOST_TEST(found.imds == "http://127.0.0.1:8080");
    BOOST_TEST(found.arc == "http://127.0.0.1:40342/x");
    BOOST_TEST(found.arc_tokens == "/tmp/tokens");
    ::setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://evil.example", 1);
    ::setenv("IDENTITY_ENDPOINT", "http://evil.example/x", 1);
    BOOST_TEST(identity_host_of_this_machine().imds == "http://169.254.169.254");
    BOOST_TEST(identity_host_of_this_machine().arc == without);
}

// ---- as a credential ----------------------------------------------------------------------------

struct Chain : Room {
    Chain() {
        provider.name = "contoso";
        provider.type = ProviderType::Microsoft;
        identity.kind = CredentialKind::ManagedIdentity;
    }
    FetchResult fetch_app_only() {
        auto config = std::make_shared<AgentConfig>();
        config->http_proxy = "http://proxy.example:3128";
        config->providers.push_back(provider);
        FetchWish fetch_wish;
        fetch_wish.config = config;
        std::optional<FetchResult> answer;
        source.fetch(fetch_wish, [&](FetchResult got) { answer.emplace(std::move(got)); });
        client.run();
        time.run_due();
        BOOST_REQUIRE(answer.has_value());
        return std::move(*answer);
    }
    Discovery discovery{client, time};
    TokenExchange exchange{{client, discovery, time, time}};
    ClientCredentials source{{exchange, time, time}};
    ProviderConfig provider;
    ClientCredential identity;
};

BOOST_FIXTURE_TEST_CASE(the_resource_is_the_scope_without_its_end, Chain) {
    provider.credentials = {identity};
    client.answer(200, kToken);
    BOOST_REQUIRE(fetch_app_only().has_value());
    BOOST_TEST(client.seen().at(0).url.ends_with("&resource=https%3A%2F%2Foutlook.office365.com"));
    BOOST_TEST(client.seen().at(0).transport.proxy.empty());
}

BOOST_FIXTURE_TEST_CASE(the_secret_is_tried_where_there_is_no_identity, Chain) {
    provider.tenant = "contoso.example";
    provider.client_id = "id";
    test::set_client_secret(provider, "S3ntinel");
    provider.credentials.insert(provider.credentials.begin(), identity);
    client.fail(Errc::Unavailable, "169.254.169.254: no route to host");
    client.answer(200, kToken);
    BOOST_REQUIRE(fetch_app_only().has_value());
    BOOST_TEST(client.seen().at(1).body.find("client_secret=S3ntinel") != std::string::npos);
    client.answer(200, kToken);
    BOOST_REQUIRE(fetch_app_only().has_value());
    BOOST_TEST(client.seen().size() == 3U);  // the secret at once
}

BOOST_FIXTURE_TEST_CASE(the_identity_is_tried_after_a_refused_secret, Chain) {
    provider.tenant = "contoso.example";
    provider.client_id = "id";
    test::set_client_secret(provider, "S3ntinel");
    provider.credentials.push_back(identity);
    client.answer(401, R"({"error":"invalid_client","error_codes":[7000222]})");
    client.answer(200, kToken);
    BOOST_REQUIRE(fetch_app_only().has_value());
    BOOST_TEST((client.seen().at(1).method == http::Method::Get));
}

BOOST_FIXTURE_TEST_CASE(an_identity_has_no_other_scopes, Chain) {
    provider.credentials = {identity};
    provider.scopes[0] = {"https://x/one", "https://x/two"};
    const auto answer = fetch_app_only();
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST((answer.error().answer.code == FailureCode::InvalidScope));
    BOOST_TEST(client.seen().empty());
}

BOOST_AUTO_TEST_SUITE_END()
