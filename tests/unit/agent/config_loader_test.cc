// SPDX-License-Identifier: Apache-2.0
#include "token-agent/config_loader.hh"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/temp_dir.hh"
#include "tests/unit/agent/config_texts.hh"

namespace postbearer::agent {
namespace {

BOOST_AUTO_TEST_SUITE(config_loader_test)

BOOST_AUTO_TEST_CASE(all_mistakes_are_found_in_one_run) {
    const Lines expected{
        "agent.toml:2:1: unknown key 'acount' in [agent]",
        "agent.toml:3:8: user: expected a string, found an integer",
        "agent.d/extra.toml:1:1: [agent] belongs into the main file",
        "agent.d/extra.toml:3:9: match: must not be empty",
        "agent.d/extra.toml:4:12: provider: there is no [provider.x]",
        "agent.d/extra.toml:5:9: grant: unknown word \"y\", expected client_credentials, delegated "
        "or service_account",
    };
    const Lines errors =
        errors_of("[agent]\nacount = 1\nuser = 7\n",
                  "[agent]\n[[account]]\nmatch = \"\"\nprovider = \"x\"\ngrant = \"y\"\n");
    BOOST_TEST(errors == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(secrets_may_belong_to_the_agents_user) {
    constexpr std::string_view kRest =
        "master_key = \"file:/key\"\nprevious_master_keys = [\"file:/old\"]\n";
    for (const bool named : {true, false}) {
        const FakeHost host;
        const std::string text = "[agent]\n" + std::string(kRest) +
                                 (named ? "user = \"postfix\"\n" : "") + std::string(kBase);
        const ConfigText texts[] = {{"agent.toml", text}};
        BOOST_TEST_REQUIRE(load_config_texts(texts, host).has_value());
        BOOST_REQUIRE(host.owners().size() == 3U);
        for (const std::optional<uid_t>& owner : host.owners()) {
            BOOST_TEST((owner == (named ? std::optional<uid_t>(101) : std::nullopt)));
        }
    }
}

/// As `postbearer import sasl-xoauth2` leaves them; the agent starts as root.
BOOST_AUTO_TEST_CASE(root_reads_the_secrets_of_the_agents_user) {
    const passwd* const user = ::getpwnam("nobody");  // NOLINT(concurrency-mt-unsafe)
    if (::geteuid() != 0 || user == nullptr) {
        return;
    }
    const test::TempDir dir;
    const std::string secret = dir.path() / "contoso-secret";
    std::ofstream(secret) << "s3cret\n";
    BOOST_REQUIRE(::chmod(secret.c_str(), 0600) == 0);
    BOOST_REQUIRE(::chown(secret.c_str(), user->pw_uid, user->pw_gid) == 0);
    std::string rest(kBase);
    rest.replace(rest.find("credential:contoso"), 18, "file:" + secret);
    rest.replace(rest.find("\"postfix\""), 9, "\"root\"");
    for (const bool named : {true, false}) {
        std::ofstream(dir.path() / "agent.toml")
            << (named ? "[agent]\nuser = \"nobody\"\n" : "") << rest;
        const auto loaded = load_config(dir.path() / "agent.toml");
        BOOST_TEST(loaded.has_value() == named,
                   (loaded ? std::string("loaded") : loaded.error().front()));
    }
}

BOOST_AUTO_TEST_CASE(duplicates_across_files_name_both_places) {
    const Lines expected{
        "agent.d/extra.toml:1:1: provider \"contoso\" stands here twice, first at agent.toml:1:1",
        "agent.d/extra.toml:4:9: match: \"@contoso.com\" stands here twice, first at "
        "agent.toml:7:9",
    };
    const Lines errors = errors_of(kBase,
                                   "[provider.contoso]\ntype = \"oidc\"\n[[account]]\nmatch = "
                                   "\"@Contoso.com\"\nprovider = \"contoso\"\ngrant = "
                                   "\"client_credentials\"\n");
    BOOST_TEST(errors == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(unreadable_file_causes_no_follow_up_errors) {
    const Lines errors = errors_of("[provider.contoso\n",
                                   "[[account]]\nmatch = \"*\"\nprovider = \"contoso\"\ngrant = "
                                   "\"client_credentials\"\n[[access]]\nuid = 0\naccounts = "
                                   "[\"a@b.example\"]\n");
    BOOST_REQUIRE(errors.size() == 1U);
    BOOST_TEST(errors.front().starts_with("agent.toml:1:"));
}

BOOST_AUTO_TEST_CASE(rules_in_single_brackets_are_explained) {
    const Lines expected{
        "agent.toml:1:1: account: write [[account]] in double brackets, one for each rule"};
    BOOST_TEST(errors_of("[account]\nmatch = \"*\"\n") == expected,
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(whole_configuration_becomes_a_value) {
    const auto loaded = load_text(std::string(kBase) + R"([agent]
sockets = ["/a", {path = "/b", group = "postfix", mode = "0600"}]
socket_mode = "0666"
admin_group = "postfix"
admin_socket = "/admin"
user = "postfix"
http_proxy = "http://proxy.example:3128"
ca_file = "/ca.pem"
allow_http_loopback = true
idle_after = "2h"
max_connections_per_uid = 10
provider_concurrency = 2
store = "sqlite:/var/lib/postbearer/tokens.db"
master_key = "credential:postbearer-master-key"
[provider.second]
type = "oidc"
client_id = "x"
client_auth = "basic"
client_secret = "env:S"
secret_expires = 2027-05-01
token_endpoint = "http://127.0.0.1:8080/token"
device_authorization_endpoint = "https://x/device"
scopes.smtp = ["mail.send", "offline_access"]
proxy = "http://127.0.0.1:1080"
[[account]]
match = "Alice@Fabrikam.com"
provider = "second"
grant = "client_credentials"
user = "shared@fabrikam.com"
[[access]]
group = "postfix"
accounts = ["@FABRIKAM.com"]
resources = ["imap", "graph"]
verbs = ["token"]
)");
    BOOST_REQUIRE(loaded.has_value());
    BOOST_TEST(loaded->warnings.empty());
    const AgentConfig& config = *loaded->config;
    BOOST_TEST(config.sockets.size() == 2U);
    BOOST_TEST(config.sockets[0].mode.value() == 0666U);
    BOOST_TEST(config.sockets[1].path == "/b");
    BOOST_TEST(config.sockets[1].group == "postfix");
    BOOST_TEST(config.sockets[1].mode.value() == 0600U);
    BOOST_TEST(config.admin_socket.path == "/admin");
    BOOST_TEST(config.admin_socket.group == "postfix");
    BOOST_TEST(config.user == "postfix");
    BOOST_TEST(config.http_proxy == "http://proxy.example:3128");
    BOOST_TEST(config.ca_file == "/ca.pem");
    BOOST_TEST(config.allow_http_loopback);
    BOOST_TEST((config.idle_after == std::chrono::hours(2)));
    BOOST_TEST(config.max_connections_per_uid == 10U);
    BOOST_TEST(config.provider_concurrency == 2U);
    BOOST_REQUIRE(config.providers.size() == 2U);
    const ProviderConfig& second = config.providers[1];
    BOOST_TEST(second.name == "second");
    BOOST_TEST((second.type == ProviderType::Oidc));
    BOOST_TEST((second.client_auth == ClientAuth::Basic));
    BOOST_TEST(second.credentials.at(0).secret->reveal() == kSentinel);
    BOOST_TEST(second.credentials.at(0).secret_expires.has_value());
    BOOST_TEST(second.token_endpoint == "http://127.0.0.1:8080/token");
    BOOST_TEST(second.scopes[0].size() == 2U);
    BOOST_TEST(second.where.line == 28U);
    BOOST_REQUIRE(config.accounts.size() == 2U);
    BOOST_TEST(config.accounts[1].match == "alice@fabrikam.com");
    BOOST_TEST(config.accounts[1].provider == 1U);
    BOOST_TEST(config.accounts[1].user == "shared@fabrikam.com");
    BOOST_TEST(config.accounts[1].line == 39U);
    BOOST_REQUIRE(config.access.size() == 2U);
    BOOST_TEST(config.access[0].uid.value() == 101U);
    BOOST_TEST((config.access[0].resources == std::array{true, false, false, false}));
    BOOST_TEST((config.access[0].verbs == std::array{true, true}));
    BOOST_TEST(config.access[1].gid.value() == 102U);
    BOOST_TEST(config.access[1].accounts.front() == "@fabrikam.com");
    BOOST_TEST((config.access[1].resources == std::array{false, true, false, true}));
    BOOST_TEST((config.access[1].verbs == std::array{true, false}));
}

BOOST_AUTO_TEST_CASE(empty_file_has_the_defaults_and_says_what_is_missing) {
    const auto loaded = load_text("");
    BOOST_REQUIRE(loaded.has_value());
    const Lines expected{"agent.toml: no [[account]]: every request is answered unknown_account",
                         "agent.toml: no [[access]]: every request is denied"};
    BOOST_TEST(loaded->warnings == expected, boost::test_tools::per_element());
    BOOST_TEST(loaded->config->sockets.size() == 2U);
    BOOST_TEST(loaded->config->sockets[0].path == POSTBEARER_RUN_DIR "/agent.sock");
    BOOST_TEST(loaded->config->sockets[1].path == POSTBEARER_QUEUE_DIR
               "/run/postbearer/agent.sock");
    BOOST_TEST(loaded->config->admin_socket.path == POSTBEARER_RUN_DIR "/admin.sock");
}

BOOST_AUTO_TEST_CASE(warnings_leave_the_configuration_usable) {
    const auto loaded = load_text(std::string(kBase) + R"([[account]]
match = "a@b.example"
provider = "contoso"
grant = "delegated"
[[account]]
match = "c@b.example"
provider = "contoso"
grant = "delegated"
[[access]]
user = "_postbearer-milter"
accounts = ["*"]
[agent]
master_key = "file:/key"
)");
    BOOST_REQUIRE(loaded.has_value());
    const Lines expected{
        "agent.toml:23:8: user: there is no user \"_postbearer-milter\" on this host, so the rule "
        "is inactive"};
    BOOST_TEST(loaded->warnings == expected, boost::test_tools::per_element());
    BOOST_TEST(!loaded->config->access[1].uid.has_value());
}

struct Directory {
    test::TempDir dir;

    void write(const std::string& name, std::string_view text) const {
        const std::filesystem::path path = dir.path() / name;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path) << text;
    }
    [[nodiscard]] ConfigResult load() const {
        return load_config((dir.path() / "agent.toml").string(), FakeHost());
    }
};

BOOST_FIXTURE_TEST_CASE(directory_is_read_in_byte_order, Directory) {
    write("agent.toml", kBase);
    write("agent.d/b.toml", "[[access]]\nuid = 2\naccounts = [\"*\"]\n");
    write("agent.d/a.toml", "[[access]]\nuid = 1\naccounts = [\"*\"]\n");
    write("agent.d/C.toml", "[[access]]\nuid = 0\naccounts = [\"*\"]\n");
    write("agent.d/.hidden.toml", "broken");
    write("agent.d/a.toml.dpkg-old", "broken");
    const auto loaded = load();
    BOOST_REQUIRE(loaded.has_value());
    const auto& rules = loaded->config->access;
    BOOST_REQUIRE(rules.size() == 4U);
    BOOST_TEST(rules[1].uid.value() == 0U);
    BOOST_TEST(rules[2].uid.value() == 1U);
    BOOST_TEST(rules[3].uid.value() == 2U);
    BOOST_TEST(loaded->config->files.size() == 4U);
    BOOST_TEST(loaded->config->files[1] == (dir.path() / "agent.d/C.toml").string());
}

BOOST_FIXTURE_TEST_CASE(missing_file_is_an_error_without_line, Directory) {
    const auto loaded = load();
    BOOST_REQUIRE(!loaded.has_value());
    const Lines expected{(dir.path() / "agent.toml").string() +
                         ": cannot be opened: No such file or directory"};
    BOOST_TEST(loaded.error() == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace postbearer::agent
