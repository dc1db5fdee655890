// SPDX-License-Identifier: Apache-2.0
#include "milter/config_loader.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include "tests/support/files.hh"
#include "tests/support/temp_dir.hh"
#include "tests/unit/milter/routing/config_texts.hh"

namespace postbearer::milter {
namespace {

using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(config_loader_test)

constexpr std::string_view kWhole = R"([milter]
listen = "inet:8890@127.0.0.1"
lmtp = "fd:graph"
inet_is_trusted = true
socket_group = "postfix"
socket_mode = "0620"
user = "postfix"
agent = "/run/a.sock"
journal = "/var/lib/x/journal.db"
trusted_clients = ["127.0.0.0/8", "[::1]/128"]
transports = ["smtp", "relay"]
local_domains = ["Example.COM"]
[graph]
enabled = false
cloud = "gcc-high"
endpoint = "http://127.0.0.1:8080/"
allow_http_loopback = true
delivery = "sendmail"
strangers = "trim"
large = "reject"
null_sender = "mailbox"
envelope_from = "ignore"
fragile_headers = "ignore"
smtputf8 = "ignore"
in_doubt = "resend"
reconcile_at = ["30s", "2m"]
journal_keep = "20d"
max_recipients = 1000
concurrency = 4
budget = "8m"
answer_timeout = "30s"
spool_dir = "/var/spool/x"
proxy = "http://proxy.example.com:3128"
ca_file = "/etc/ca.pem"
[[route]]
name = "first"
sender = ["Alice@Contoso.com", "@FABRIKAM.com"]
from = ["@contoso.com"]
sasl_user = ["Alice"]
client = ["192.0.2.0/24"]
recipient = ["@example.org"]
allow_from = ["@contoso.com"]
mailbox = "Shared@Contoso.com"
[[route]]
name = "second"
action = "reject"
reason = "no"
)";

BOOST_AUTO_TEST_CASE(a_whole_file_becomes_one_value) {
    const auto config = config_of(kWhole);
    BOOST_TEST((config->listen.kind == Endpoint::Kind::Inet));
    BOOST_TEST(config->listen.name == "inet:8890@127.0.0.1");
    BOOST_TEST((config->lmtp.kind == Endpoint::Kind::Passed));
    BOOST_TEST(config->lmtp.name == "graph");
    BOOST_TEST(config->lmtp.socket.group == "postfix");
    BOOST_TEST(config->lmtp.socket.mode.value() == 0620U);
    BOOST_TEST(config->listen.socket.mode.value() == 0620U);
    BOOST_TEST(config->user == "postfix");
    BOOST_TEST(config->agent == "/run/a.sock");
    BOOST_TEST(config->state_dir == "/var/lib/x");
    BOOST_TEST(config->spool_dir == "/var/spool/x");
    BOOST_TEST(config->trusted_clients.size() == 2U);
    BOOST_TEST(config->transports.size() == 2U);
    BOOST_TEST(config->local_domains.front() == "example.com");
    BOOST_TEST(config->file == "milter.toml");
    BOOST_TEST(config->routes.size() == 2U);
    BOOST_TEST(config->routes.back().reason == "no");
    BOOST_TEST((config->routes.back().action == Action::Reject));
}

BOOST_AUTO_TEST_CASE(every_policy_is_read) {
    const auto config = config_of(kWhole);
    const GraphPolicy& policy = config->graph;
    BOOST_TEST(!policy.enabled);
    BOOST_TEST((policy.strangers == Strangers::Trim));
    BOOST_TEST((policy.large == LargeMail::Reject));
    BOOST_TEST((policy.null_sender == NullSender::Mailbox));
    BOOST_TEST((policy.envelope_from == EnvelopeFrom::Ignore));
    BOOST_TEST((policy.fragile_headers == Fragile::Ignore));
    BOOST_TEST((policy.smtputf8 == Fragile::Ignore));
    BOOST_TEST(policy.max_recipients == 1000U);
    BOOST_TEST(config->sending->endpoint == "http://127.0.0.1:8080");
    BOOST_TEST(config->sending->allow_http_loopback);
    BOOST_TEST(config->sending->concurrency == 4U);
    BOOST_TEST((config->sending->budget == 8min));
    BOOST_TEST((config->sending->answer_timeout == 30s));
    BOOST_TEST(config->sending->proxy == "http://proxy.example.com:3128");
    BOOST_TEST(config->sending->ca_file == "/etc/ca.pem");
}

BOOST_AUTO_TEST_CASE(every_condition_is_read) {
    const Route route = config_of(kWhole)->routes.front();
    BOOST_TEST(route.name == "first");
    BOOST_TEST(route.where == "milter.toml:35:1");
    BOOST_TEST((route.sender == AddressPatterns{"alice@contoso.com", "@fabrikam.com"}));
    BOOST_TEST((route.from == AddressPatterns{"@contoso.com"}));
    BOOST_TEST((route.sasl_user == std::vector<std::string>{"alice"}));
    BOOST_TEST(route.client.size() == 1U);
    BOOST_TEST((route.recipient == AddressPatterns{"@example.org"}));
    BOOST_TEST((route.allow_from == AddressPatterns{"@contoso.com"}));
    BOOST_TEST((route.mailbox.kind == MailboxRule::Kind::Fixed));
    BOOST_TEST(route.mailbox.address == "shared@contoso.com");
}

BOOST_AUTO_TEST_CASE(every_default_is_the_safe_one) {
    const auto loaded = load_text("");
    BOOST_REQUIRE(loaded.has_value());
    const MilterConfig& config = *loaded->config;
    BOOST_TEST((config.listen.kind == Endpoint::Kind::Unix));
    BOOST_TEST(config.listen.socket.path.ends_with("/run/postbearer/milter.sock"));
    BOOST_TEST(config.lmtp.socket.path.ends_with("/run/postbearer/graph.sock"));
    BOOST_TEST(!config.agent.empty());
    BOOST_TEST(config.spool_dir == config.state_dir + "/spool");
    BOOST_TEST(config.trusted_clients.empty());
    BOOST_TEST((config.transports == std::vector<std::string>{"smtp"}));
    BOOST_TEST(config.graph.enabled);
    BOOST_TEST((config.graph.strangers == Strangers::Relay));
    BOOST_TEST((config.graph.large == LargeMail::Relay));
    BOOST_TEST((config.graph.null_sender == NullSender::Relay));
    BOOST_TEST((config.graph.envelope_from == EnvelopeFrom::RelayIfDifferent));
    BOOST_TEST((config.graph.fragile_headers == Fragile::Relay));
    BOOST_TEST((config.graph.smtputf8 == Fragile::Relay));
    BOOST_TEST(config.graph.max_recipients == 500U);
    BOOST_TEST(config.sending->endpoint == "https://graph.microsoft.com");
    BOOST_TEST(config.sending->max_body_bytes == 3'900'000U);
    const std::vector<std::string> warnings{"milter.toml: no [[route]]: everything relays"};
    BOOST_TEST(loaded->warnings == warnings, boost::test_tools::per_element());
}

struct Cloud {
    const char* name;
    const char* endpoint;
};
std::ostream& operator<<(std::ostream& out, const Cloud& row) { return out << row.name; }
constexpr Cloud kClouds[] = {{"global", "https://graph.microsoft.com"},
                             {"gcc", "https://graph.microsoft.com"},
                             {"gcc-high", "https://graph.microsoft.us"},
                             {"dod", "https://dod-graph.microsoft.us"},
                             {"china", "https://microsoftgraph.chinacloudapi.cn"}};

BOOST_DATA_TEST_CASE(a_cloud_has_its_endpoint, boost::unit_test::data::make(kClouds), row) {
    const auto config = config_of("[graph]\ncloud = \"" + std::string(row.name) + "\"\n");
    BOOST_TEST(config->sending->endpoint == row.endpoint);
}

BOOST_AUTO_TEST_CASE(a_local_domain_is_compared_as_a_labels) {
    const auto config = config_of(
        "[milter]\nlocal_domains = [\"B\xc3\xbc"
        "cher.example\"]\n");
    BOOST_TEST(config->local_domains.front() == "xn--bcher-kva.example");
}

BOOST_AUTO_TEST_CASE(an_agent_and_a_pattern_may_stand_without_a_list) {
    BOOST_TEST(config_of("[milter]\nagent = \"/a\"\n")->agent == "/a");
}

struct MapRoom {
    test::TempDir directory{"pb-milter-map"};
    test::Path path = directory / "mailboxes";

    [[nodiscard]] std::string text() const {
        return "[[route]]\nname = \"m\"\nmailbox = \"map:" + path.string() + "\"\n";
    }
    [[nodiscard]] std::string only_error() const {
        const auto errors = errors_of(text());
        return errors.size() == 1 ? errors.front() : std::to_string(errors.size()) + " errors";
    }
};

BOOST_FIXTURE_TEST_CASE(a_map_is_read_with_the_configuration, MapRoom) {
    test::write_file(path, "@contoso.com shared@contoso.com\n");
    const Route route = config_of(text())->routes.front();
    BOOST_REQUIRE((route.mailbox.kind == MailboxRule::Kind::Map));
    BOOST_TEST(route.mailbox.map->find("a@contoso.com", "") == "shared@contoso.com");
}

BOOST_FIXTURE_TEST_CASE(a_missing_map_is_told, MapRoom) {
    BOOST_TEST(only_error() == "milter.toml:3:11: mailbox: " + path.string() +
                                   " cannot be opened: No such file or directory");
}

BOOST_FIXTURE_TEST_CASE(a_map_that_everybody_writes_is_refused, MapRoom) {
    test::write_file(path, "* a@contoso.com\n", 0666);
    BOOST_TEST(only_error() == "milter.toml:3:11: mailbox: every local user may write " +
                                   path.string() + ": chmod o-w " + path.string());
}

BOOST_FIXTURE_TEST_CASE(an_empty_map_could_never_divert, MapRoom) {
    test::write_file(path, "# nothing yet\n");
    BOOST_TEST(only_error() == "milter.toml:3:11: mailbox: " + path.string() +
                                   " holds no entry, so the route could never divert");
}

BOOST_FIXTURE_TEST_CASE(mistakes_of_a_map_name_their_lines, MapRoom) {
    test::write_file(path, "* a@contoso.com\nbad line\n* b@contoso.com\n");
    const auto errors = errors_of(text());
    BOOST_REQUIRE(errors.size() == 2U);
    BOOST_TEST(errors.front().starts_with("milter.toml:3:11: mailbox: " + path.string() + ":2: "));
    BOOST_TEST(errors.back() ==
               "milter.toml:3:11: mailbox: " + path.string() + ":3: \"*\" stands here twice");
}

BOOST_FIXTURE_TEST_CASE(a_map_of_mistakes_has_an_end, MapRoom) {
    std::string lines;
    for (int i = 0; i < 500; ++i) {
        lines += "bad\n";
    }
    test::write_file(path, lines);
    BOOST_TEST(errors_of(text()).size() == 20U);
}

BOOST_FIXTURE_TEST_CASE(a_file_is_read, MapRoom) {
    test::write_file(path, kWhole, 0666);
    const auto loaded = load_config(path.string(), FakeHost());
    BOOST_REQUIRE(loaded.has_value());
    BOOST_REQUIRE(loaded->warnings.size() == 1U);
    BOOST_TEST(loaded->warnings.front() ==
               path.string() + ": every local user may write this file: chmod o-w " +
                   path.string());
    BOOST_TEST(loaded->config->file == path.string());
    const auto missing = load_config((directory / "missing").string(), FakeHost());
    BOOST_REQUIRE(!missing.has_value());
    BOOST_TEST(missing.error().front() ==
               (directory / "missing").string() + ": cannot be opened: No such file or directory");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace postbearer::milter
