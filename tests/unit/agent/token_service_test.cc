// SPDX-License-Identifier: Apache-2.0
#include "token-agent/token_service.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>

#include "tests/unit/agent/token_keeper_fixture.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace std::chrono_literals;
using protocol::FailureClass;
using protocol::FailureCode;

constexpr uid_t kPostfix = 101;
constexpr gid_t kMailers = 500;

std::shared_ptr<const Policy> policy() {
    AgentConfig config = config_with({"contoso", "fabrikam"});
    config.files = {"agent.toml"};
    const auto account = [&config](const char* match, std::uint32_t provider) -> AccountRule& {
        AccountRule rule;
        rule.match = match;
        rule.provider = provider;
        config.accounts.push_back(rule);
        return config.accounts.back();
    };
    (void)account("@contoso.com", 0);
    account("shared@contoso.com", 0).user = "box@contoso.com";
    account("alice@contoso.com", 0).grant = Grant::Delegated;
    (void)account("@fabrikam.com", 1);
    AccessRule smtp;
    smtp.uid = kPostfix;
    smtp.accounts = {"@contoso.com"};
    smtp.resources = {true, false, false, false};
    config.access.push_back(smtp);
    AccessRule graph;
    graph.gid = kMailers;
    graph.accounts = {"*"};
    graph.resources = {false, false, false, true};
    graph.verbs = {true, false};
    config.access.push_back(graph);
    return std::make_shared<const Policy>(std::make_shared<const AgentConfig>(std::move(config)));
}

struct ServiceRoom : KeeperRoom {
    ServiceRoom() : KeeperRoom(*policy()->config) {}

    static service::Peer peer(uid_t uid, std::vector<gid_t> groups = {}) {
        service::Peer result;
        result.pid = 4711;
        result.uid = uid;
        result.groups = std::move(groups);
        return result;
    }
    std::string ask(const std::string& block, const service::Peer& who = peer(kPostfix)) {
        auto answers = std::make_shared<std::vector<std::string>>();
        service.handle(who, block,
                       [answers](const Secret& answer) { answers->emplace_back(answer.reveal()); });
        last = answers;
        return answers->empty() ? "later" : answers->front();
    }
    std::string ask_token(const std::string& account, const std::string& more = "",
                          const service::Peer& who = peer(kPostfix)) {
        return ask("request=token\naccount=" + account + "\nresource=smtp\n" + more + "\n", who);
    }

    TokenService service{*keeper, time, log, policy()};
    std::shared_ptr<std::vector<std::string>> last;
};

std::string error(std::string_view failure_class, std::string_view code, std::string_view message) {
    return "status=error\nclass=" + std::string(failure_class) + "\ncode=" + std::string(code) +
           "\nmessage=" + std::string(message) + "\n\n";
}

BOOST_FIXTURE_TEST_SUITE(token_service_test, ServiceRoom)

BOOST_AUTO_TEST_CASE(ping) {
    BOOST_TEST(ask("request=ping\n\n", peer(65534)) == "status=ok\nversion=" POSTBEARER_VERSION
                                                       "\nprotocol=1\n\n");
}

BOOST_AUTO_TEST_CASE(a_token_with_all_attributes_and_one_line_in_the_log) {
    BOOST_TEST(ask_token("Relay@Contoso.com", "host=smtp.office365.com\nfuture=x\n") == "later");
    source.give("abc");
    BOOST_REQUIRE(last->size() == 1U);
    BOOST_TEST(last->front() ==
               "status=ok\ntoken=abc\ntoken_type=Bearer\nuser=Relay@Contoso.com\nexpires_at=" +
                   std::to_string((time.wall() + 3600s).time_since_epoch().count()) +
                   "\nfingerprint=ba7816bf\n\n");
    BOOST_TEST(log.last() ==
               "event=token_handed_out uid=101 pid=4711 account=Relay@Contoso.com resource=smtp "
               "fingerprint=ba7816bf seconds_left=3600");
    BOOST_TEST(service.counters().handed_out == 1U);
}

BOOST_AUTO_TEST_CASE(user_of_a_rule_overrides_the_account) {
    (void)ask_token("shared@contoso.com");
    source.give("abc");
    BOOST_TEST(last->front().find("\nuser=box@contoso.com\n") != std::string::npos);
}

struct DeniedRow {
    const char* name;
    uid_t uid;
    std::vector<gid_t> groups;
    const char* account;
    const char* resource;
};
std::ostream& operator<<(std::ostream& out, const DeniedRow& row) { return out << row.name; }
const DeniedRow kDenied[] = {
    {"another uid", 102, {}, "relay@contoso.com", "smtp"},
    {"root has no rule", 0, {0}, "relay@contoso.com", "smtp"},
    {"another resource", kPostfix, {}, "relay@contoso.com", "graph"},
    {"another account", kPostfix, {}, "relay@fabrikam.com", "smtp"},
    {"sub-domain", kPostfix, {}, "relay@sub.contoso.com", "smtp"},
    {"no such account: the same words", kPostfix, {}, "nobody@nowhere.test", "smtp"},
    {"group without the resource", 102, {kMailers}, "relay@contoso.com", "smtp"},
    {"a pattern is no account", kPostfix, {}, "@contoso.com", "smtp"},
    {"nor is a star", 102, {kMailers}, "*", "graph"},
};
BOOST_DATA_TEST_CASE(denied, boost::unit_test::data::make(kDenied), row) {
    ServiceRoom room;
    const std::string resource(row.resource);
    BOOST_TEST(room.ask("request=token\naccount=" + std::string(row.account) +
                            "\nresource=" + resource + "\n\n",
                        peer(row.uid, row.groups)) ==
               error("denied", "access_denied",
                     "uid " + std::to_string(row.uid) + " may not use the " + resource +
                         " token of " + row.account +
                         "; add an [[access]] rule for this uid to the agent's configuration and "
                         "reload"));
    BOOST_TEST(room.source.asked().empty());
    BOOST_TEST(room.log.count("event=token_denied uid=" + std::to_string(row.uid)) == 1U);
    BOOST_TEST(room.service.counters().denied == 1U);
}

BOOST_AUTO_TEST_CASE(a_group_is_enough) {
    BOOST_TEST(ask("request=token\naccount=a@contoso.com\nresource=graph\n\n",
                   peer(102, {7, kMailers})) == "later");
}

BOOST_AUTO_TEST_CASE(an_account_without_a_rule) {
    BOOST_TEST(
        ask("request=token\naccount=a@nowhere.test\nresource=graph\n\n", peer(102, {kMailers})) ==
        error("unknown_account", "no_account",
              "no [[account]] rule matches a@nowhere.test; add one to the agent's "
              "configuration and reload, or mend the name in smtp_sasl_password_maps"));
}

BOOST_AUTO_TEST_CASE(a_delegated_account_gets_a_token_of_its_own) {
    BOOST_TEST(ask_token("Alice@contoso.com") == "later");
    BOOST_REQUIRE(source.asked().size() == 1U);
    BOOST_TEST(source.asked().front().account == "alice@contoso.com");
    source.fail(FailureClass::NeedsUser, FailureCode::NotLoggedIn);
    BOOST_REQUIRE(last->size() == 1U);
    BOOST_TEST(last->front().starts_with(
        "status=error\nclass=needs_user\ncode=not_logged_in\n"
        "message=account Alice@contoso.com: provider 'contoso': it did not work"));
}

BOOST_AUTO_TEST_CASE(a_failure_names_the_account_and_when_to_come_back) {
    (void)ask_token("relay@contoso.com");
    source.fail(FailureClass::NeedsAdmin, FailureCode::InvalidClient);
    BOOST_REQUIRE(last->size() == 1U);
    BOOST_TEST(last->front() ==
               "status=error\nclass=needs_admin\ncode=invalid_client\nmessage=account "
               "relay@contoso.com: provider 'contoso': it did not work\nretry_after=60\n\n");
    BOOST_TEST(log.count("event=token_refused uid=101 pid=4711 account=relay@contoso.com "
                         "resource=smtp class=needs_admin code=invalid_client") == 1U);
}

BOOST_AUTO_TEST_CASE(an_account_is_named_though_its_name_stands_in_the_sentence) {
    AgentConfig config = config_with({"contoso"});
    config.files = {"agent.toml"};
    config.accounts.emplace_back().match = "*";
    AccessRule all;
    all.uid = kPostfix;
    all.accounts = {"*"};
    all.resources = {true, false, false, false};
    config.access.push_back(all);
    const auto next = std::make_shared<const Policy>(std::make_shared<const AgentConfig>(config));
    service.reload(next);
    keeper->reload(next->config);
    (void)ask_token("contoso");  // as the provider
    source.fail(FailureClass::NeedsAdmin, FailureCode::InvalidClient);
    BOOST_TEST(last->front().find("message=account contoso: provider 'contoso': it") !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(host_decides_min_valid_unless_it_is_given) {
    (void)ask_token("relay@contoso.com");
    source.give("abc", 3600s);
    time.advance(3000s);  // 600 s left; the renewal gets no answer
    BOOST_TEST(ask_token("relay@contoso.com").starts_with("status=ok"));
    BOOST_TEST(ask_token("relay@contoso.com", "host=smtp-hve.office365.com\n") == "later");
    BOOST_TEST(ask_token("relay@contoso.com", "host=smtp-hve.office365.com\nmin_valid=500\n")
                   .starts_with("status=ok"));
    BOOST_TEST(ask_token("relay@contoso.com", "min_valid=601\nwait_ms=0\n")
                   .starts_with("status=error\nclass=transient\ncode=too_short\n"));
}

BOOST_AUTO_TEST_CASE(wait_ms_is_honoured_and_capped) {
    (void)ask_token("relay@contoso.com", "wait_ms=999999999\n");
    time.advance(30s - 1ms);
    BOOST_TEST(last->empty());
    time.advance(1ms);
    BOOST_REQUIRE(last->size() == 1U);
    BOOST_TEST(last->front().starts_with("status=error\nclass=transient\ncode=timeout\n"));
    (void)ask_token("relay@contoso.com");
    time.advance(5s);
    BOOST_TEST(last->size() == 1U);
}

struct MalformedRow {
    const char* name;
    const char* block;
    const char* message;
};
std::ostream& operator<<(std::ostream& out, const MalformedRow& row) { return out << row.name; }
constexpr MalformedRow kMalformed[] = {
    {"empty", "\n", "request is none of token, rejected, ping"},
    {"unknown request", "request=tokens\n\n", "request is none of token, rejected, ping"},
    {"line without =", "request=ping\nx\n\n", "malformed request, line 2: no '=' in it"},
    {"repeated", "request=ping\nrequest=ping\n\n",
     "malformed request, line 2: attribute given twice"},
    {"no account", "request=token\nresource=smtp\n\n", "the request names no account"},
    {"no resource", "request=token\naccount=a@contoso.com\n\n",
     "the request names no resource (smtp, imap, pop or graph)"},
    {"min_valid in words", "request=token\naccount=a@contoso.com\nresource=smtp\nmin_valid=x\n\n",
     "min_valid and wait_ms are whole numbers"},
};
BOOST_DATA_TEST_CASE(malformed, boost::unit_test::data::make(kMalformed), row) {
    ServiceRoom room;
    BOOST_TEST(room.ask(row.block) == error("bad_request", "syntax", row.message));
    BOOST_TEST(room.service.counters().malformed == 1U);
    BOOST_TEST(room.log.count("event=token_refused") == 1U);
}

BOOST_AUTO_TEST_CASE(a_long_account_name_is_cut_in_log_and_answer) {
    const std::string account = std::string(7000, 'x') + "@contoso.com";
    (void)ask_token(account, "", peer(102));
    BOOST_TEST(last->front().size() < 500U);
    BOOST_TEST(log.last().size() < 1500U);
}

BOOST_AUTO_TEST_CASE(refusals_do_not_fill_the_log) {
    for (int i = 0; i < 10'000; ++i) {
        (void)ask_token("a@contoso.com", "", peer(65534));
        (void)ask("\n", peer(65534));
    }
    BOOST_TEST(log.lines().size() == 10U);
    // A stranger's noise does not hide what Postfix is told.
    (void)ask_token("nobody@nowhere.test");
    BOOST_TEST(log.last().find("account=nobody@nowhere.test") != std::string::npos);
    time.advance(11s);
    (void)ask_token("a@contoso.com", "", peer(65534));
    BOOST_TEST(log.count("event=refusals_not_logged count=19990") == 1U);
    BOOST_TEST(log.lines().size() == 13U);
    BOOST_TEST(service.counters().denied == 10'002U);
}

BOOST_AUTO_TEST_CASE(rejected_drops_the_current_token_once) {
    (void)ask_token("relay@contoso.com");
    source.give("abc");
    const std::string report =
        "request=rejected\naccount=relay@contoso.com\nresource=smtp\nfingerprint=ba7816bf\n"
        "detail=535 5.7.3 no \"entry\"\n\n";
    BOOST_TEST(ask(report) == "status=ok\naction=refreshed\n\n");
    BOOST_TEST(log.last() ==
               "event=token_rejected uid=101 pid=4711 account=relay@contoso.com resource=smtp "
               "fingerprint=ba7816bf action=refreshed detail=\"535 5.7.3 no \\\"entry\\\"\"");
    BOOST_TEST(ask(report) == "status=ok\naction=rate_limited\n\n");
    source.give("def");
    BOOST_TEST(ask(report) == "status=ok\naction=stale\n\n");
}

BOOST_AUTO_TEST_CASE(rejected_is_a_verb_of_its_own) {
    BOOST_TEST(ask("request=rejected\naccount=a@contoso.com\nresource=graph\n"
                   "fingerprint=ba7816bf\ndetail=\n\n",
                   peer(102, {kMailers}))
                   .starts_with("status=error\nclass=denied\n"));
    BOOST_TEST(ask("request=rejected\naccount=alice@contoso.com\nresource=smtp\n"
                   "fingerprint=ba7816bf\ndetail=\n\n") == "status=ok\naction=stale\n\n");
}

BOOST_AUTO_TEST_CASE(a_reload_answers_who_waits_and_counts_at_once) {
    (void)ask_token("relay@contoso.com");
    AgentConfig empty = config_with({"fabrikam"});
    empty.files = {"agent.toml"};
    const auto next = std::make_shared<const Policy>(std::make_shared<const AgentConfig>(empty));
    service.reload(next);
    keeper->reload(next->config);
    BOOST_REQUIRE(last->size() == 1U);
    BOOST_TEST(last->front().starts_with("status=error\nclass=transient\n"));
    BOOST_TEST(ask_token("relay@contoso.com").starts_with("status=error\nclass=denied\n"));
}

BOOST_AUTO_TEST_CASE(nothing_logged_holds_a_token) {
    (void)ask_token("relay@contoso.com");
    source.give("S3ntinel-token");
    (void)ask_token("relay@contoso.com");
    for (const std::string& line : log.lines()) {
        BOOST_TEST(line.find("S3ntinel") == std::string::npos);
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
