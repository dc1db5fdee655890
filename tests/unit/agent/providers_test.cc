// SPDX-License-Identifier: Apache-2.0
#include "token-agent/providers.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>

#include "common/http/url.hh"
#include "token-agent/provider_presets.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;

ProviderConfig microsoft(Cloud cloud) {
    ProviderConfig provider;
    provider.name = "contoso";
    provider.type = ProviderType::Microsoft;
    provider.cloud = cloud;
    provider.tenant = "contoso.example";
    return provider;
}

struct CloudRow {
    const char* name;
    Cloud cloud;
    const char* token_endpoint;
    const char* exchange;
    const char* graph;
    const char* delegated_smtp;
    const char* smtp_host;
};
std::ostream& operator<<(std::ostream& out, const CloudRow& row) { return out << row.name; }
const CloudRow kClouds[] = {
    {"global", Cloud::Global, "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token",
     "https://outlook.office365.com/.default", "https://graph.microsoft.com/.default",
     "https://outlook.office.com/SMTP.Send", "smtp.office365.com"},
    {"GCC is not GCC High", Cloud::Gcc,
     "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token",
     "https://outlook.office365.com/.default", "https://graph.microsoft.com/.default",
     "https://outlook.office.com/SMTP.Send", "smtp.office365.com"},
    {"GCC High", Cloud::GccHigh,
     "https://login.microsoftonline.us/contoso.example/oauth2/v2.0/token",
     "https://outlook.office365.us/.default", "https://graph.microsoft.us/.default",
     "https://outlook.office365.us/SMTP.Send", "outlook.office365.us"},
    {"DoD has a host of its own (1.10 defect 12)", Cloud::Dod,
     "https://login.microsoftonline.us/contoso.example/oauth2/v2.0/token",
     "https://outlook-dod.office365.us/.default", "https://dod-graph.microsoft.us/.default",
     "https://outlook-dod.office365.us/SMTP.Send", "outlook-dod.office365.us"},
    {"China", Cloud::China,
     "https://login.partner.microsoftonline.cn/contoso.example/oauth2/v2.0/token",
     "https://partner.outlook.cn/.default", "https://microsoftgraph.chinacloudapi.cn/.default",
     "https://partner.outlook.cn/SMTP.Send", "smtp.partner.outlook.cn"},
};

struct TenantRow {
    const char* name;
    const char* tenant;
};
std::ostream& operator<<(std::ostream& out, const TenantRow& row) { return out << row.name; }
const TenantRow kBadTenants[] = {
    {"empty", ""},        {"slash", "a/../b"}, {"question mark", "a?b"}, {"at sign", "a@b"},
    {"two dots", "a..b"}, {"blank", "a b"},    {"mark", "{tenant}"},     {"line break", "a\r\nb"},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(providers_test)

BOOST_DATA_TEST_CASE(microsoft_clouds, boost::unit_test::data::make(kClouds), row) {
    const ProviderConfig provider = microsoft(row.cloud);
    BOOST_TEST(token_endpoint_of(provider).value() == row.token_endpoint);
    for (const Resource resource : {Resource::Smtp, Resource::Imap, Resource::Pop}) {
        const auto scopes = scopes_of(provider, resource, Grant::ClientCredentials);
        BOOST_REQUIRE(scopes.has_value());
        BOOST_TEST(*scopes == std::vector<std::string>{row.exchange},
                   boost::test_tools::per_element());
    }
    BOOST_TEST(scopes_of(provider, Resource::Graph, Grant::ClientCredentials)->at(0) == row.graph);
    const auto delegated = scopes_of(provider, Resource::Smtp, Grant::Delegated);
    BOOST_TEST(*delegated == (std::vector<std::string>{row.delegated_smtp, "offline_access"}),
               boost::test_tools::per_element());
    BOOST_TEST(preset_of(ProviderType::Microsoft, row.cloud).smtp_host == row.smtp_host);
}

BOOST_DATA_TEST_CASE(a_tenant_cannot_leave_its_place, boost::unit_test::data::make(kBadTenants),
                     row) {
    ProviderConfig provider = microsoft(Cloud::Global);
    provider.tenant = row.tenant;
    const auto endpoint = token_endpoint_of(provider);
    BOOST_REQUIRE(!endpoint.has_value());
    BOOST_TEST((endpoint.error().code == Errc::Config));
}

BOOST_AUTO_TEST_CASE(what_the_admin_writes_wins) {
    ProviderConfig provider = microsoft(Cloud::Global);
    provider.token_endpoint = "https://sts.example/token";
    provider.scopes[static_cast<std::size_t>(Resource::Smtp)] = {"one", "two"};
    BOOST_TEST(token_endpoint_of(provider).value() == "https://sts.example/token");
    BOOST_TEST(scopes_of(provider, Resource::Smtp, Grant::ClientCredentials)->size() == 2U);
    BOOST_TEST(scopes_of(provider, Resource::Imap, Grant::ClientCredentials)->size() == 1U);
}

BOOST_AUTO_TEST_CASE(an_issuer_means_discovery) {
    ProviderConfig provider;
    provider.name = "corp";
    provider.type = ProviderType::Oidc;
    BOOST_TEST(!token_endpoint_of(provider).has_value());
    BOOST_TEST(!discovery_url_of(provider).has_value());
    provider.issuer = "https://idp.example/realms/mail/";
    BOOST_TEST(token_endpoint_of(provider).value().empty());
    BOOST_TEST(discovery_url_of(provider).value() ==
               "https://idp.example/realms/mail/.well-known/openid-configuration");
    BOOST_TEST(scopes_of(provider, Resource::Smtp, Grant::ClientCredentials)->empty());
    provider.token_endpoint = "https://idp.example/token";
    BOOST_TEST(token_endpoint_of(provider).value() == "https://idp.example/token");
}

BOOST_AUTO_TEST_CASE(microsofts_discovery_has_its_tenant) {
    BOOST_TEST(discovery_url_of(microsoft(Cloud::China)).value() ==
               "https://login.partner.microsoftonline.cn/contoso.example/v2.0/.well-known/"
               "openid-configuration");
}

BOOST_AUTO_TEST_CASE(a_resource_that_is_not_offered_is_said) {
    ProviderConfig google;
    google.type = ProviderType::Google;
    BOOST_TEST(scopes_of(google, Resource::Smtp, Grant::Delegated)->at(0) ==
               "https://mail.google.com/");
    const auto graph = scopes_of(google, Resource::Graph, Grant::Delegated);
    BOOST_REQUIRE(!graph.has_value());
    BOOST_TEST(graph.error().context == "google offers no tokens for graph with this grant");
    ProviderConfig yahoo;
    yahoo.type = ProviderType::Yahoo;
    BOOST_TEST(!scopes_of(yahoo, Resource::Smtp, Grant::ClientCredentials).has_value());
}

BOOST_AUTO_TEST_CASE(users_of_any_tenant_may_log_in) {
    ProviderConfig provider = microsoft(Cloud::Global);
    for (const char* tenant : {"common", "organizations", "consumers"}) {
        provider.tenant = tenant;
        BOOST_TEST(token_endpoint_of(provider).value() ==
                   "https://login.microsoftonline.com/" + provider.tenant + "/oauth2/v2.0/token");
    }
}

BOOST_AUTO_TEST_CASE(google_has_no_device_flow_for_mail) {
    BOOST_TEST(
        preset_of(ProviderType::Google, Cloud::Global).device_authorization_endpoint.empty());
}

BOOST_AUTO_TEST_CASE(every_preset_is_https) {
    for (const ProviderPreset& preset : kProviderPresets) {
        BOOST_TEST(&preset_of(preset.type, preset.cloud) == &preset);
        for (std::string url : {std::string(preset.issuer), std::string(preset.token_endpoint),
                                std::string(preset.authorization_endpoint),
                                std::string(preset.device_authorization_endpoint),
                                std::string(preset.revocation_endpoint)}) {
            const auto mark = url.find("{tenant}");
            if (mark != std::string::npos) {
                url.replace(mark, 8, "contoso.example");
            }
            BOOST_TEST((url.empty() || http::check_url(url, false).has_value()));
        }
    }
}

BOOST_AUTO_TEST_CASE(the_providers_transport_wins) {
    AgentConfig config;
    config.ca_file = "/agent.pem";
    config.http_proxy = "http://proxy:1";
    config.allow_http_loopback = true;
    ProviderConfig provider;
    BOOST_TEST(transport_of(config, provider).ca_file == "/agent.pem");
    BOOST_TEST(transport_of(config, provider).proxy == "http://proxy:1");
    provider.ca_file = "/own.pem";
    provider.proxy = "http://own:2";
    BOOST_TEST(transport_of(config, provider).ca_file == "/own.pem");
    BOOST_TEST(transport_of(config, provider).proxy == "http://own:2");
    BOOST_TEST(transport_of(config, provider).allow_http_loopback);
}

BOOST_AUTO_TEST_SUITE_END()
