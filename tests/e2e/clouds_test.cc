// SPDX-License-Identifier: Apache-2.0
// Microsoft's clouds and Entra's words for tenants. Application tokens go to each cloud's own host,
// which a proxy leads to the rehearsal; logins go to the rehearsal's endpoints, because an id_token
// names its issuer. What counts is what arrived: hosts, tenants, scopes.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>

#include "tests/e2e/login_dialogue.hh"
#include "tests/e2e/provider_rig.hh"
#include "tests/support/connect_proxy.hh"
#include "tests/support/http_call.hh"

using namespace postbearer::test;

namespace {

constexpr const char* kTenantId = "72f988bf-0000-4000-8000-2d7cd011db47";
constexpr const char* kPersonalAccounts = "9188040d-6c67-4c5b-b112-36a304b66dad";
constexpr const char* kDesktop = "22222222-2222-2222-2222-222222222222";

struct CloudRow {
    const char* cloud;
    const char* host;
    const char* app_smtp;
    const char* app_graph;
    const char* smtp;
    const char* graph;
};

/// Microsoft Learn: national clouds of identity, Exchange Online and Graph.
constexpr CloudRow kClouds[] = {
    {"global", "login.microsoftonline.com", "https://outlook.office365.com/.default",
     "https://graph.microsoft.com/.default", "https://outlook.office.com/SMTP.Send",
     "https://graph.microsoft.com/Mail.Send"},
    {"gcc", "login.microsoftonline.com", "https://outlook.office365.com/.default",
     "https://graph.microsoft.com/.default", "https://outlook.office.com/SMTP.Send",
     "https://graph.microsoft.com/Mail.Send"},
    {"gcc-high", "login.microsoftonline.us", "https://outlook.office365.us/.default",
     "https://graph.microsoft.us/.default", "https://outlook.office365.us/SMTP.Send",
     "https://graph.microsoft.us/Mail.Send"},
    {"dod", "login.microsoftonline.us", "https://outlook-dod.office365.us/.default",
     "https://dod-graph.microsoft.us/.default", "https://outlook-dod.office365.us/SMTP.Send",
     "https://dod-graph.microsoft.us/Mail.Send"},
    {"china", "login.partner.microsoftonline.cn", "https://partner.outlook.cn/.default",
     "https://microsoftgraph.chinacloudapi.cn/.default", "https://partner.outlook.cn/SMTP.Send",
     "https://microsoftgraph.chinacloudapi.cn/Mail.Send"},
};

std::uint16_t port_of(const std::string& base_url) {
    return static_cast<std::uint16_t>(
        std::strtoul(base_url.c_str() + base_url.rfind(':') + 1, nullptr, 10));
}

std::string address_in(const std::string& cloud) { return "alice@" + cloud + ".test"; }

/// One provider and one domain for each cloud.
struct CloudRig : ProviderRig {
    CloudRig() {
        put_desktop(kDesktop, "*");
        Json::Value secret;
        secret["value"] = AgentProvider().secret;
        Json::Value app;
        app["tenant"] = "*";
        app["secrets"].append(secret);
        app["mailboxes"].append("*");
        (void)rehearsal().put_client(kClientId, app);
    }

    /// Where the tenant is a word, its users come from `home`.
    void put_desktop(const std::string& client_id, const std::string& home) {
        Json::Value desktop;
        desktop["tenant"] = home;
        desktop["public"] = true;
        desktop["redirect_uris"].append("http://localhost");
        (void)rehearsal().put_client(client_id, desktop);
    }
    /// Without endpoints of its own.
    void add_cloud(const CloudRow& row, const std::string& client_id, const std::string& grant,
                   const std::string& more = "") {
        AgentProvider provider;
        provider.name = row.cloud;
        provider.tenant = kTenantId;
        provider.client_id = client_id;
        if (client_id == kDesktop) {
            provider.secret = "";
        }
        provider.more = "cloud = \"" + std::string(row.cloud) + "\"\n" + more;
        settings().providers.push_back(provider);
        add_account(std::string("@") + row.cloud + ".test", row.cloud, grant);
    }

    /// postbearer login --browser for smtp and graph, with curl as the browser.
    void log_in(const std::string& account) {
        LoginDialogue login(directory(),
                            {account, "--browser", "--resource", "smtp", "--resource", "graph"},
                            agent().configuration());
        for (const char* resource : {"smtp", "graph"}) {
            const std::string url =
                login.says(std::string("onsent, for ") + resource +
                           R"(:[\s\S]*?(https://\S+/oauth2/v2\.0/authorize\?\S+))");
            const HttpReply accepted =
                http_call({.url = url + "&login_as=" + account, .ca_file = rehearsal().ca_file()});
            BOOST_TEST(accepted.status == 302);
            (void)http_call({.url = accepted.location});
        }
        BOOST_TEST(login.end().ok(), login.said());
        BOOST_TEST(contains(login.said(), "Logged in: " + account + " (confirmed by id_token)"),
                   login.said());
    }
    [[nodiscard]] std::string endpoints(const std::string& tenant) {
        const std::string base = rehearsal().base_url() + "/" + tenant + "/oauth2/v2.0/";
        return "token_endpoint = \"" + base + "token\"\nauthorization_endpoint = \"" + base +
               "authorize\"\ndevice_authorization_endpoint = \"" + base + "devicecode\"\n";
    }
};

/// The scopes that were asked for since the records were forgotten, and of which tenant. A code
/// brings what its page was asked for, so its exchange names none.
void check_scopes(CloudRig& rig, const std::string& endpoint, const std::string& tenant,
                  std::vector<std::string> expected) {
    std::vector<std::string> scopes;
    for (const Json::Value& request : rig.seen(endpoint)) {
        BOOST_TEST(request["tenant"].asString() == tenant);
        const std::string scope = request["scope"].asString();
        if (!scope.empty()) {
            scopes.push_back(scope.substr(0, scope.find(' ')));
        }
    }
    std::sort(scopes.begin(), scopes.end());
    std::sort(expected.begin(), expected.end());
    BOOST_TEST(scopes == expected, boost::test_tools::per_element());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(clouds_test)

BOOST_AUTO_TEST_CASE(applications_ask_their_clouds_host) {
    CloudRig rig;
    const ConnectProxy proxy(port_of(rig.rehearsal().base_url()));
    rig.settings().more = "http_proxy = \"" + proxy.url() + "\"\n";
    for (const CloudRow& row : kClouds) {
        rig.add_cloud(row, kClientId, "client_credentials");
    }
    rig.start();
    for (const CloudRow& row : kClouds) {
        rig.rehearsal().forget_records();
        const std::string token = rig.good_token(address_in(row.cloud), "smtp");
        BOOST_TEST(rig.origin_of(token)["aud"].asString() + "/.default" == row.app_smtp);
        BOOST_TEST(rig.good_token(address_in(row.cloud), "graph") != token);
        check_scopes(rig, "token", kTenantId, {row.app_smtp, row.app_graph});
        for (const Json::Value& request : rig.seen("token")) {
            BOOST_TEST(request["path"].asString() ==
                       std::string("/") + kTenantId + "/oauth2/v2.0/token");
            BOOST_TEST(request["headers"].toStyledString().find(row.host) != std::string::npos,
                       request["headers"].toStyledString());
        }
        BOOST_TEST(contains(proxy.heads().back(), std::string("CONNECT ") + row.host + ":443 "));
    }
    rig.agent().stop();
}

/// Shown before anybody is asked anything.
BOOST_AUTO_TEST_CASE(logins_begin_at_their_clouds_host) {
    CloudRig rig;
    for (const CloudRow& row : kClouds) {
        rig.add_cloud(row, kDesktop, "delegated");
    }
    rig.start();
    for (const CloudRow& row : kClouds) {
        LoginDialogue login(rig.directory(), {address_in(row.cloud), "--paste"},
                            rig.agent().configuration());
        const std::string url = login.says(R"((https://\S+/authorize\?\S+))");
        BOOST_TEST(url.starts_with(std::string("https://") + row.host + "/" + kTenantId +
                                   "/oauth2/v2.0/authorize?"),
                   url);
        BOOST_TEST(contains(url, percent_encoded(row.smtp)), url);
        BOOST_TEST(contains(login.said(), std::string("cloud ") + row.cloud), login.said());
    }
    rig.agent().stop();
}

BOOST_AUTO_TEST_CASE(users_of_each_cloud_log_in) {
    CloudRig rig;
    for (const CloudRow& row : kClouds) {
        rig.add_cloud(row, kDesktop, "delegated", rig.endpoints(kTenantId));
    }
    rig.start();
    for (const CloudRow& row : kClouds) {
        const std::string account = address_in(row.cloud);
        rig.rehearsal().forget_records();
        rig.log_in(account);
        check_scopes(rig, "authorize", kTenantId, {row.smtp, row.graph});
        const Json::Value smtp = rig.origin_of(rig.good_token(account));
        BOOST_TEST(smtp["aud"].asString() + "/SMTP.Send" == row.smtp);
        // Whether graph needs a page of its own was tried first.
        check_scopes(rig, "token", kTenantId, {row.graph});
        rig.rehearsal().forget_records();
        const std::string before = rig.good_token(account, "graph");
        BOOST_TEST(rig.cli({"refresh", account}).ok());  // what has been asked for: both
        check_scopes(rig, "token", kTenantId, {row.smtp, row.graph});
        BOOST_TEST(rig.good_token(account, "graph") != before);
        BOOST_TEST(rig.origin_of(rig.good_token(account, "graph"))["user"].asString() == account);
    }
    rig.agent().stop();
}

/// The users of `common` are everybody, those of `organizations` have no personal account, those of
/// `consumers` nothing else.
BOOST_AUTO_TEST_CASE(users_log_in_where_the_tenant_is_a_word) {
    CloudRig rig;
    rig.put_desktop("work", kTenantId);
    rig.put_desktop("personal", kPersonalAccounts);
    const auto add = [&rig](const std::string& name, const std::string& tenant,
                            const std::string& client) {
        AgentProvider provider;
        provider.name = name;
        provider.tenant = tenant;
        provider.client_id = client;
        provider.secret = "";
        provider.more = rig.endpoints(tenant);
        rig.settings().providers.push_back(provider);
        rig.add_account("@" + name + ".test", name, "delegated");
    };
    add("everybody", "common", "personal");
    add("worker", "organizations", "work");
    add("person", "consumers", "personal");
    add("stray-person", "organizations", "personal");
    add("stray-worker", "consumers", "work");
    rig.start();
    const std::vector<std::pair<std::string, std::string>> good{
        {"everybody", "common"}, {"worker", "organizations"}, {"person", "consumers"}};
    for (const auto& [name, tenant] : good) {
        rig.rehearsal().forget_records();
        const std::string account = address_in(name);
        rig.log_in(account);
        check_scopes(rig, "authorize", tenant, {kClouds[0].smtp, kClouds[0].graph});
        BOOST_TEST(rig.cli({"refresh", account}).ok());  // smtp, by default
        check_scopes(rig, "token", tenant, {kClouds[0].graph, kClouds[0].smtp});
        BOOST_TEST(rig.origin_of(rig.good_token(account))["user"].asString() == account);
    }
    for (const char* name : {"stray-person", "stray-worker"}) {
        const std::string account = address_in(name);
        LoginDialogue login(rig.directory(), {account, "--browser"}, rig.agent().configuration());
        const std::string url = login.says(R"((https://\S+/oauth2/v2\.0/authorize\?\S+))");
        const HttpReply accepted =
            http_call({.url = url + "&login_as=" + account, .ca_file = rig.rehearsal().ca_file()});
        (void)http_call({.url = accepted.location});
        BOOST_TEST(login.end().code == 1);
        BOOST_TEST(contains(login.said(), "not from the configured issuer and tenant"),
                   login.said());
        BOOST_TEST(rig.token(account)["code"] == "not_logged_in");
    }
    rig.agent().stop();
}

/// Entra would say AADSTS9001023; it need not be asked.
BOOST_AUTO_TEST_CASE(applications_need_one_tenant) {
    for (const char* word : {"common", "organizations", "consumers"}) {
        ProviderRig rig;
        rig.settings().providers = {{.name = "app", .tenant = word, .token_endpoint = ""}};
        rig.add_account("relay@contoso.test", "app");
        const Finished refused = rig.check_config();
        BOOST_TEST(refused.status.code == 78, word);
        const std::string told = refused.output + refused.error;
        BOOST_TEST(contains(told, std::string("\"") + word + "\" is no single tenant"), told);
        BOOST_TEST(contains(told, "agent.toml:"), told);
        // With users who log in it is a good tenant.
        rig.settings().accounts.front().grant = "delegated";
        const Finished good = rig.check_config();
        BOOST_TEST(good.ok(), good.output + good.error);
    }
}

BOOST_AUTO_TEST_SUITE_END()
