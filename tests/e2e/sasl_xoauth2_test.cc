// SPDX-License-Identifier: Apache-2.0
// postbearer import sasl-xoauth2: a configuration with token files that override parts of it, for a
// Microsoft tenant at Microsoft's own address (which a proxy leads to the rehearsal) and for a
// server of somebody else's. Afterwards each account has tokens, and the files are as they were.
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <map>

#include "tests/e2e/provider_rig.hh"
#include "tests/support/connect_proxy.hh"
#include "tests/support/failure.hh"

using namespace postbearer::test;

namespace {

constexpr const char* kOffice = "33333333-3333-3333-3333-333333333333";   // of the configuration
constexpr const char* kDesktop = "22222222-2222-2222-2222-222222222222";  // a public one
constexpr const char* kElsewhere = "elsewhere";                           // at /oidc
constexpr const char* kOfficeSecret = "office-secret~8Q.of-the-configuration";
constexpr const char* kElsewhereSecret = "elsewhere-secret~of-a-token-file";
constexpr const char* kShared = "shared@contoso.test";
constexpr const char* kMailScopes = "https://outlook.office.com/SMTP.Send offline_access";

Json::Value client_with(const std::string& tenant, const std::string& secret) {
    Json::Value client;
    client["tenant"] = tenant;
    client["mailboxes"].append("*");
    if (secret.empty()) {
        client["public"] = true;
    } else {
        Json::Value one;
        one["value"] = secret;
        client["secrets"].append(one);
    }
    return client;
}

/// Content, mode and time of change of every file below, and its owner.
std::map<std::string, std::string> snapshot(const Path& directory) {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
        struct stat status {};
        if (::stat(entry.path().c_str(), &status) != 0) {
            fail_errno(entry.path().string());
        }
        files[entry.path()] = std::to_string(status.st_mode) + " " + std::to_string(status.st_uid) +
                              " " + std::to_string(status.st_mtim.tv_sec) + "." +
                              std::to_string(status.st_mtim.tv_nsec) + " " +
                              (entry.is_regular_file() ? read_file(entry.path()) : "");
    }
    return files;
}

struct Rig : ProviderRig {
    ConnectProxy proxy;
    std::vector<std::string> secrets{kOfficeSecret, kElsewhereSecret};

    Rig()
        : proxy(static_cast<std::uint16_t>(
              std::strtoul(rehearsal().base_url().c_str() + rehearsal().base_url().rfind(':') + 1,
                           nullptr, 10))) {
        (void)rehearsal().put_client(kOffice, client_with(kTenant, kOfficeSecret));
        (void)rehearsal().put_client(kDesktop, client_with(kTenant, ""));
        (void)rehearsal().put_client(kElsewhere, client_with("oidc", kElsewhereSecret));
        start();
    }

    [[nodiscard]] Path peer() const { return directory() / "peer"; }
    [[nodiscard]] Path conf() const { return peer() / "sasl-xoauth2.conf"; }
    [[nodiscard]] Path token_file(const std::string& name) const {
        return peer() / "tokens" / name;
    }
    [[nodiscard]] Path written() const { return directory() / "agent/agent.d/sasl-xoauth2.toml"; }

    std::string refresh_token(const std::string& client, const std::string& user,
                              const std::string& scope, const std::string& tenant) {
        secrets.push_back(rehearsal().mint_refresh(client, user, scope, tenant));
        return secrets.back();
    }

    /// alice by the configuration alone; bob by a public client of his own; carol at another
    /// server, as somebody else, without the proxy; an application without a user.
    void write_peer_files() {
        Json::Value conf_file;
        conf_file["client_id"] = kOffice;
        conf_file["client_secret"] = kOfficeSecret;
        conf_file["token_endpoint"] =
            "https://login.microsoftonline.com/contoso.test/oauth2/v2.0/token";
        conf_file["proxy"] = proxy.url();
        conf_file["ca_bundle_file"] = rehearsal().ca_file().string();
        conf_file["log_to_syslog_on_failure"] = "yes";
        conf_file["refresh_window"] = 10;
        write_file(conf(), conf_file.toStyledString(), 0600);
        const auto write = [this](const std::string& name, Json::Value json) {
            json["access_token"] = "an-access-token-of-" + name + std::string(60, 'q');
            json["expiry"] = "1700000000";
            secrets.push_back(json["access_token"].asString());
            write_file(token_file(name), json.toStyledString(), 0600);
        };
        Json::Value alice;
        alice["refresh_token"] = refresh_token(kOffice, kAliceUser, kMailScopes, kTenant);
        write(kAliceUser, alice);
        Json::Value bob;
        bob["client_id"] = kDesktop;
        bob["client_secret"] = "";
        bob["refresh_token"] = refresh_token(kDesktop, kBobUser, kMailScopes, kTenant);
        write(std::string(kBobUser) + ".json", bob);
        Json::Value carol;
        carol["client_id"] = kElsewhere;
        carol["client_secret"] = kElsewhereSecret;
        carol["token_endpoint"] = rehearsal().base_url() + "/oidc/token";
        carol["proxy"] = "";
        carol["user"] = kShared;
        carol["refresh_token"] = refresh_token(kElsewhere, kCarol, "smtp offline_access", "oidc");
        write("carol", carol);
        Json::Value app;
        app["use_client_credentials"] = "yes";
        app["scope"] = "https://outlook.office365.com/.default";
        write("app", app);
    }

    Finished import(std::vector<std::string> more = {}) {
        std::vector<std::string> words{
            Programs::cli(),
            "import",
            "sasl-xoauth2",
            "--config",
            conf(),
            "--agent-config",
            agent().configuration(),
            "--account",
            std::string(kCarol) + "=" + token_file("carol").string(),
            "--account",
            std::string("app@contoso.test=") + token_file("app").string()};
        words.insert(words.end(), more.begin(), more.end());
        for (const std::string& name : {std::string(kAliceUser), std::string(kBobUser) + ".json",
                                        std::string("carol"), std::string("app")}) {
            words.push_back(token_file(name));
        }
        return run({.argv = words});
    }

    void check_no_secret_in(const std::string& text, const char* where) {
        for (const std::string& secret : secrets) {
            BOOST_TEST(!contains(text, secret), where << " shows " << secret.substr(0, 16));
            BOOST_TEST(!contains(text, secret.substr(secret.size() / 2)), where);
        }
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(sasl_xoauth2_test)

BOOST_AUTO_TEST_CASE(files_are_taken_over) {
    Rig rig;
    rig.write_peer_files();
    const auto before = snapshot(rig.peer());
    const Finished said = rig.import();
    BOOST_REQUIRE_MESSAGE(said.ok(), said.output << said.error);
    for (const char* account : {kAliceUser, kBobUser, kCarol}) {
        BOOST_TEST(contains(said.output, std::string(account) + ": login taken over"), said.output);
    }
    BOOST_TEST(rig.proxy.heads().empty());  // nothing was asked of anybody yet

    struct Row {
        const char* account;
        const char* client;
        const char* user;      // that the token is for
        const char* xoauth2;   // that it is to be shown with
        const char* endpoint;  // of the refresh
    };
    constexpr const char* kMicrosoft = "/contoso.test/oauth2/v2.0/token";
    const Row rows[] = {{kAliceUser, kOffice, kAliceUser, kAliceUser, kMicrosoft},
                        {kBobUser, kDesktop, kBobUser, kBobUser, kMicrosoft},
                        {kCarol, kElsewhere, kCarol, kShared, "/oidc/token"},
                        {"app@contoso.test", kOffice, "", "app@contoso.test", kMicrosoft}};
    for (const Row& row : rows) {
        rig.rehearsal().forget_records();
        const Json::Value origin = rig.origin_of(rig.good_token(row.account));
        BOOST_TEST(origin["client_id"].asString() == row.client, row.account);
        BOOST_TEST(origin["user"].asString() == row.user, row.account);
        BOOST_TEST(rig.token(row.account)["user"] == row.xoauth2);
        const std::vector<Json::Value> asked = rig.seen("token");
        BOOST_REQUIRE(asked.size() == 1U);
        BOOST_TEST(asked[0]["path"].asString() == row.endpoint);
        BOOST_TEST(asked[0]["client_auth"].asString() == (row.client == kDesktop ? "none" : "post"),
                   row.account);
    }
    // By the proxy of the configuration, but for the one that has it switched off.
    for (const std::string& head : rig.proxy.heads()) {
        BOOST_TEST(contains(head, "CONNECT login.microsoftonline.com:443 "), head);
    }
    BOOST_TEST(!rig.proxy.heads().empty());
    BOOST_TEST(rig.cli({"refresh", kAliceUser}).ok());

    BOOST_TEST((snapshot(rig.peer()) == before), "the files of sasl-xoauth2 have changed");
    rig.agent().stop();
    rig.check_no_secret_in(said.output + said.error, "the command");
    rig.check_no_secret_in(read_file(rig.agent().log_path()), "the log");
    rig.check_no_secret_in(read_file(rig.written()), "the configuration");
}

/// Once more after a restart, and without --force nothing is written twice.
BOOST_AUTO_TEST_CASE(they_stay_taken_over) {
    Rig rig;
    rig.write_peer_files();
    BOOST_TEST(rig.import().ok());
    const auto config = read_file(rig.written());
    const Finished again = rig.import();
    BOOST_TEST(!again.ok());
    BOOST_TEST(contains(again.error, "--force"), again.error);
    BOOST_TEST(read_file(rig.written()) == config);
    rig.agent().kill();
    std::filesystem::remove_all(rig.peer());
    rig.agent().start();
    for (const char* account : {kAliceUser, kBobUser, kCarol, "app@contoso.test"}) {
        (void)rig.good_token(account);
    }
    struct stat status {};
    for (const auto& entry :
         std::filesystem::directory_iterator(rig.directory() / "agent/secrets")) {
        BOOST_REQUIRE(::stat(entry.path().c_str(), &status) == 0);
        BOOST_TEST((status.st_mode & 07777U) == 0600U, entry.path());
    }
    rig.agent().stop();
}

BOOST_AUTO_TEST_CASE(dry_run_changes_nothing) {
    Rig rig;
    rig.write_peer_files();
    const auto peer = snapshot(rig.peer());
    const auto configuration = [&rig] {
        auto files = snapshot(rig.directory() / "agent");
        std::erase_if(files, [&](const auto& file) {  // which go on
            return contains(file.first, "/state") || contains(file.first, "agent.log");
        });
        return files;
    };
    const auto before = configuration();
    const Finished said = rig.import({"--dry-run"});
    BOOST_TEST(said.ok(), said.error);
    for (const char* part :
         {"[provider.sasl-xoauth2]", "type = \"microsoft\"", "tenant = \"contoso.test\"",
          "type = \"oidc\"", "match = \"alice@contoso.test\"", "user = \"shared@contoso.test\"",
          "grant = \"client_credentials\"", "client_secret = \"file:"}) {
        BOOST_TEST(contains(said.output, part), said.output);
    }
    rig.check_no_secret_in(said.output + said.error, "the command");
    BOOST_TEST((snapshot(rig.peer()) == peer));
    BOOST_TEST((configuration() == before));
    BOOST_TEST(rig.rehearsal().counter("token_requests") == 0U);
    AttributeMap refused = rig.token(kAliceUser);
    BOOST_TEST(refused["class"] == "unknown_account");
    // The other kind of import has no dry run, so it must not go on without one.
    const Finished other = rig.cli({"import", rig.conf(), "--dry-run"});
    BOOST_TEST(other.status.code == 2);
    BOOST_TEST(contains(other.error, "--dry-run belongs to import sasl-xoauth2"), other.error);
    rig.agent().stop();
    BOOST_TEST(!contains(read_file(rig.agent().log_path()), "verb=import_login"));
}

BOOST_AUTO_TEST_SUITE_END()
