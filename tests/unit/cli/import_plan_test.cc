// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/sasl_xoauth2/import_plan.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "token-agent/cli/sasl_xoauth2/peer_endpoint.hh"

using namespace postbearer::cli;

namespace {

const std::string kMicrosoft =
    "https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token";
const std::string kGuid = "3fa85f64-5717-4562-b3fc-2c963f66afa6";

PeerSource source(const std::string& name, const std::string& text) {
    auto file = parse_peer_file(text);
    BOOST_REQUIRE(file.has_value());
    return {name, std::move(*file), ""};
}

PeerSource microsoft_config() {
    return source("/etc/sasl-xoauth2.conf", "{\n\"client_id\": \"" + kGuid +
                                                "\",\n\"client_secret\": \"conf-secret\",\n"
                                                "\"token_endpoint\": \"" +
                                                kMicrosoft + "\"}");
}

std::vector<PeerSource> sources(std::vector<std::pair<std::string, std::string>> files) {
    std::vector<PeerSource> out;
    for (const auto& [name, text] : files) {
        out.push_back(source(name, text));
    }
    return out;
}

std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) {
        text += line + "\n";
    }
    return text;
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

ImportPlan plan_one(const PeerSource& config, const std::string& token,
                    const std::string& name = "/etc/tokens/alice@contoso.com") {
    return plan_import(config, sources({{name, token}}));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(import_plan_test)

BOOST_AUTO_TEST_CASE(accounts_of_one_configuration_share_a_provider) {
    const ImportPlan plan = plan_import(
        microsoft_config(),
        sources({{"/etc/tokens/Alice@contoso.com", R"({"refresh_token": "rt-a"})"},
                 {"/etc/tokens/bob@contoso.com.json", R"({"refresh_token": "rt-b"})"}}));
    BOOST_TEST(joined(plan.mistakes) == "");
    BOOST_TEST(joined(plan.warnings) == "");
    BOOST_REQUIRE(plan.providers.size() == 1U);
    BOOST_REQUIRE(plan.accounts.size() == 2U);
    const std::string text = config_text(plan, "/etc/postbearer/secrets");
    BOOST_TEST(has(text,
                   "[provider.sasl-xoauth2]\ntype = \"microsoft\"\n"
                   "tenant = \"contoso.onmicrosoft.com\"\nclient_id = \"" +
                       kGuid +
                       "\"\nclient_secret = "
                       "\"file:/etc/postbearer/secrets/sasl-xoauth2.client_secret\"\n"));
    BOOST_TEST(has(text,
                   "[[account]]\nmatch = \"alice@contoso.com\"\n"
                   "provider = \"sasl-xoauth2\"\ngrant = \"delegated\"\n"));
    BOOST_TEST(has(text, "match = \"bob@contoso.com\"\n"));
    for (const char* const secret : {"conf-secret", "rt-a", "rt-b"}) {
        BOOST_TEST(!has(text, secret), secret);
    }
    BOOST_TEST(plan.accounts[1].refresh_token.reveal() == "rt-b");
}

BOOST_AUTO_TEST_CASE(a_token_file_overrides_the_configuration) {
    const ImportPlan plan =
        plan_import(microsoft_config(),
                    sources({{"/t/alice@contoso.com", R"({"refresh_token": "1"})"},
                             {"/t/shop@gmail.com",
                              R"({"refresh_token": "2", "client_id": "7.apps.googleusercontent.com",
                      "client_secret": "g", "proxy": "proxy.example:3128",
                      "token_endpoint": "https://oauth2.googleapis.com/token"})"},
                             {"/t/info@example.net",
                              R"({"refresh_token": "3", "client_id": "mail", "client_secret": "",
                      "token_endpoint": "https://id.example.net/token",
                      "ca_bundle_file": "/etc/ca.pem", "user": "relay"})"}}));
    BOOST_TEST(joined(plan.mistakes) == "");
    BOOST_REQUIRE(plan.providers.size() == 3U);
    BOOST_TEST(plan.providers[1].type == "google");
    BOOST_TEST(plan.providers[1].proxy == "http://proxy.example:3128");
    BOOST_TEST(plan.providers[1].name == "sasl-xoauth2-2");
    BOOST_TEST(plan.providers[2].type == "oidc");
    BOOST_TEST(plan.providers[2].token_endpoint == "https://id.example.net/token");
    BOOST_TEST(plan.providers[2].ca_file == "/etc/ca.pem");
    BOOST_TEST(!plan.providers[2].client_secret.has_value());
    BOOST_TEST(plan.accounts[2].user == "relay");
    BOOST_TEST(has(config_text(plan, "/s"), "user = \"relay\"\n"));
}

// token-agents.md 1.10, 13: an empty client_secret is sent all the same, and refused.
BOOST_AUTO_TEST_CASE(defect_13_an_empty_client_secret_is_left_out) {
    PeerSource config = microsoft_config();
    for (const std::string secret : {"", " ", "CLIENT_SECRET_GOES_HERE"}) {
        const ImportPlan plan =
            plan_one(config, R"({"refresh_token": "1", "client_secret": ")" + secret + "\"}");
        BOOST_TEST(joined(plan.mistakes) == "");
        BOOST_REQUIRE(plan.warnings.size() == 1U);
        BOOST_TEST(has(plan.warnings.front(), "left out"));
        BOOST_TEST(!has(config_text(plan, "/s"), "client_secret"));
    }
}

BOOST_AUTO_TEST_CASE(the_google_default_for_a_microsoft_client_is_named) {
    const PeerSource config =
        source("/etc/sasl-xoauth2.conf", "{\n\"client_id\": \"" + kGuid + "\"\n}");
    const ImportPlan plan = plan_one(config, R"({"refresh_token": "1"})");
    BOOST_REQUIRE(plan.mistakes.size() == 1U);
    BOOST_TEST(has(plan.mistakes.front(),
                   "/etc/sasl-xoauth2.conf:2:14: there is no token_endpoint, "
                   "so sasl-xoauth2 asks Google"));
    BOOST_TEST(has(plan.mistakes.front(), "https://login.microsoftonline.com/TENANT/"));
}

BOOST_AUTO_TEST_CASE(a_fault_that_all_accounts_share_is_said_once) {
    const PeerSource config =
        source("/c", R"({"client_id": "CLIENT_ID_GOES_HERE", "client_secret": "x"})");
    const ImportPlan plan =
        plan_import(config, sources({{"/t/a@b.example", R"({"refresh_token": "1"})"},
                                     {"/t/c@b.example", R"({"refresh_token": "2"})"}}));
    BOOST_TEST(joined(plan.mistakes) ==
               "/c:1:15: client_id is still the placeholder of the sample\n");
}

BOOST_AUTO_TEST_CASE(the_address_comes_from_option_name_or_user) {
    std::vector<PeerSource> tokens =
        sources({{"/t/first", R"({"refresh_token": "1", "user": "u@contoso.com"})"},
                 {"/t/second", R"({"refresh_token": "2", "user": "Other@contoso.com"})"},
                 {"/t/third@contoso.com.json", R"({"refresh_token": "3", "user": "x"})"}});
    tokens[0].address = "Given@contoso.com";
    const ImportPlan plan = plan_import(microsoft_config(), std::move(tokens));
    BOOST_TEST(joined(plan.mistakes) == "");
    BOOST_TEST(plan.accounts[0].address == "given@contoso.com");
    BOOST_TEST(plan.accounts[0].user == "u@contoso.com");
    BOOST_TEST(plan.accounts[1].address == "other@contoso.com");
    BOOST_TEST(plan.accounts[1].user == "");
    BOOST_TEST(plan.accounts[2].address == "third@contoso.com");
    BOOST_TEST(plan.accounts[2].user == "x");
}

struct MistakeRow {
    const char* name;
    const char* token;
    const char* file;
    const char* says;
};
std::ostream& operator<<(std::ostream& out, const MistakeRow& row) { return out << row.name; }
const MistakeRow kMistakes[] = {
    {"no refresh token", R"({"access_token": "x"})", "/t/a@b.example", "there is no refresh_token"},
    {"an empty refresh token", R"({"refresh_token": ""})", "/t/a@b.example",
     "there is no refresh_token"},
    {"nobody's token", R"({"refresh_token": "1"})", "/t/token.json",
     "--account ADDRESS=/t/token.json"},
    {"renewed by another program", R"({"manage_token_externally": "yes", "access_token": "x"})",
     "/t/a@b.example", "another program renews this token"},
    {"no https", R"({"refresh_token": "1", "token_endpoint": "http://id.example.net/token"})",
     "/t/a@b.example", "no https:// URL"},
    {"the native client's redirect for an endpoint",
     R"({"refresh_token": "1",
         "token_endpoint": "https://login.microsoftonline.com/common/oauth2/nativeclient"})",
     "/t/a@b.example", "token_endpoint is none of Microsoft's"},
    {"Google's client at Microsoft",
     R"({"refresh_token": "1", "client_id": "1.apps.googleusercontent.com"})", "/t/a@b.example",
     "client_id is one of Google's"},
    {"a proxy with a password",
     R"({"refresh_token": "1", "proxy": "http://u:hush-hush@proxy.example:1"})", "/t/a@b.example",
     "user and password"},
    {"a SOCKS proxy", R"({"refresh_token": "1", "proxy": "socks5://p:1"})", "/t/a@b.example",
     "proxy is none such as"},
    {"a relative certificate", R"({"refresh_token": "1", "ca_bundle_file": "ca.pem"})",
     "/t/a@b.example", "no absolute path"},
    {"client credentials at common",
     R"({"use_client_credentials": "yes",
         "token_endpoint": "https://login.microsoftonline.com/common/oauth2/v2.0/token"})",
     "/t/a@b.example", "one Microsoft tenant"},
    {"client credentials without a secret",
     R"({"use_client_credentials": "yes", "client_secret": ""})", "/t/a@b.example",
     "needs a client_secret"},
};

BOOST_DATA_TEST_CASE(mistakes, boost::unit_test::data::make(kMistakes), row) {
    const ImportPlan plan = plan_one(microsoft_config(), row.token, row.file);
    BOOST_TEST(has(joined(plan.mistakes), row.says), joined(plan.mistakes));
    BOOST_TEST(has(joined(plan.mistakes), row.file));
    BOOST_TEST(!has(joined(plan.mistakes), "hush"));
    BOOST_TEST(!has(joined(plan.mistakes), "conf-secret"));
}

BOOST_AUTO_TEST_CASE(two_files_of_one_account) {
    const ImportPlan plan =
        plan_import(microsoft_config(), sources({{"/t/a@b.example", R"({"refresh_token": "1"})"},
                                                 {"/u/A@b.example", R"({"refresh_token": "2"})"}}));
    BOOST_TEST(joined(plan.mistakes) ==
               "/u/A@b.example: a@b.example has a token file already: /t/a@b.example; leave one "
               "out\n");
}

BOOST_AUTO_TEST_CASE(client_credentials_become_an_account_without_login) {
    const ImportPlan plan = plan_one(microsoft_config(), R"({"use_client_credentials": "yes",
        "scope": "https://outlook.office365.com/.default"})");
    BOOST_TEST(joined(plan.mistakes) == "");
    BOOST_TEST(plan.accounts.front().app_only);
    const std::string text = config_text(plan, "/s");
    BOOST_TEST(has(text, "grant = \"client_credentials\"\n"));
    BOOST_TEST(has(text, "scopes.smtp = [\"https://outlook.office365.com/.default\"]\n"));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_kept_is_said) {
    const ImportPlan plan =
        plan_one(microsoft_config(), R"({"refresh_token": "1", "ca_certs_dir": "/etc/certs"})");
    BOOST_TEST(joined(plan.mistakes) == "");
    BOOST_TEST(has(joined(plan.warnings), "ca_certs_dir is left out"));
}

struct EndpointRow {
    const char* url;
    const char* type;
    const char* cloud;
    const char* tenant;
};
std::ostream& operator<<(std::ostream& out, const EndpointRow& row) { return out << row.url; }
const EndpointRow kEndpoints[] = {
    {"https://login.microsoftonline.com/common/oauth2/v2.0/token", "microsoft", "global", "common"},
    {"https://LOGIN.microsoftonline.com/t.example/oauth2/token", "microsoft", "global",
     "t.example"},
    {"https://login.microsoftonline.us/abc/oauth2/v2.0/token", "microsoft", "gcc-high", "abc"},
    {"https://login.partner.microsoftonline.cn/abc/oauth2/v2.0/token", "microsoft", "china", "abc"},
    {"https://accounts.google.com/o/oauth2/token", "google", "", ""},
    {"https://oauth2.googleapis.com/token", "google", "", ""},
    {"https://api.login.yahoo.com/oauth2/get_token", "yahoo", "", ""},
    {"https://login.microsoftonline.com.evil.example/a/oauth2/v2.0/token", "oidc", "", ""},
    {"https://login.microsoftonline.com/a/b/oauth2/v2.0/token", "error", "", ""},
    {"https://login.microsoftonline.com/oauth2/v2.0/token", "error", "", ""},
    {"https://user:pw@id.example/token", "error", "", ""},
    {"https://id.example/token?x=y", "error", "", ""},
    {"id.example", "error", "", ""},
};

BOOST_DATA_TEST_CASE(endpoints, boost::unit_test::data::make(kEndpoints), row) {
    const auto endpoint = read_peer_endpoint(row.url);
    BOOST_TEST((endpoint ? endpoint->type : "error") == row.type);
    BOOST_TEST((endpoint ? endpoint->cloud : "") == row.cloud);
    BOOST_TEST((endpoint ? endpoint->tenant : "") == row.tenant);
}

BOOST_AUTO_TEST_SUITE_END()
