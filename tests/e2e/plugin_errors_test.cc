// SPDX-License-Identifier: Apache-2.0
// What the plugin makes of every answer an agent can give: the line in Postfix's own log, the
// deferral, and that smtp(8) neither dies nor waits longer than ten seconds.
#include <boost/test/unit_test.hpp>

#include "tests/e2e/expectations.hh"
#include "tests/support/canned_agent.hh"

using namespace postbearer::test;
using namespace std::chrono_literals;

namespace {

struct ClassRow {
    const char* sender;
    const char* failure_class;
    const char* code;
    const char* message;
    const char* postfix_text;  // sasl_errstring of the code that the plugin returns
};

constexpr ClassRow kClasses[] = {
    {"transient@contoso.test", "transient", "throttled",
     "transient@contoso.test: the token endpoint asks us to wait",
     "remote authentication server unavailable"},
    {"user@contoso.test", "needs_user", "invalid_grant",
     "user@contoso.test: the consent ended; run postbearer login user@contoso.test",
     "passphrase expired, has to be reset"},
    {"admin@contoso.test", "needs_admin", "invalid_client",
     "admin@contoso.test: the client secret is wrong; make a new one", "authentication failure"},
    {"denied@contoso.test", "denied", "access_denied",
     "denied@contoso.test: uid 103 may not have this token", "authorization failure"},
    {"nobody@contoso.test", "unknown_account", "no_account",
     "nobody@contoso.test: no [[account]] matches", "user not found"},
    {"bad@contoso.test", "bad_request", "syntax", "bad@contoso.test: the request is malformed",
     "bad protocol / cancel"},
};

CannedAnswer refuse_by_account(const AgentAttributes& request) {
    for (const ClassRow& row : kClasses) {
        if (request.at("account") == row.sender) {
            return refused(row.failure_class, row.code, row.message);
        }
    }
    return closing();
}

std::string deferred_because(const std::string& text) {
    return "dsn=4\\.7\\.0, status=deferred \\(SASL authentication failed; cannot authenticate to "
           "server localhost\\[127\\.0\\.0\\.1\\]: " +
           literally(text) + "\\)$";
}

/// One message against an agent that answers so; returns the line of its deferral.
std::string deferral_with(const CannedAgent::Handler& handler, const std::string& sentence,
                          const std::string& postfix_text) {
    Chain chain;
    chain.start_without_agent();
    const CannedAgent agent(chain.agent_socket(), handler);
    chain.send("never comes");
    std::string line = chain.client().log().wait_for(deferred_because(postfix_text));
    BOOST_TEST(chain.client().log().count("warning: SASL authentication failure: " + sentence) ==
               1U);
    check_no_token_came(chain.rehearsal());
    check_no_crash(chain.client().log());
    chain.stop();
    return line;
}

void check_bounded(const std::string& line) {
    // 10 s of ours, and what a loaded host needs for TCP, TLS and Postfix's own rounding.
    BOOST_TEST(session_setup(line).count() <= 12'000, line);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(plugin_errors_test)

BOOST_AUTO_TEST_CASE(each_class_has_its_own_line) {
    ChainSettings settings;
    for (const ClassRow& row : kClasses) {
        settings.senders.emplace_back(row.sender);
    }
    Chain chain(std::move(settings));
    chain.start_without_agent();
    const CannedAgent agent(chain.agent_socket(), refuse_by_account);
    for (const ClassRow& row : kClasses) {
        chain.send("never comes", row.sender);
    }
    const LogWatch log = chain.client().log();
    log.wait_for_count(std::size(kClasses), "status=deferred");
    for (const ClassRow& row : kClasses) {
        BOOST_TEST_CONTEXT(row.failure_class) {
            BOOST_TEST(log.count(sasl_warning(row.message)) == 1U);
            BOOST_TEST(log.count(deferred_because(row.postfix_text)) == 1U);
        }
    }
    BOOST_TEST(chain.client().queue().size() == std::size(kClasses));
    check_no_token_came(chain.rehearsal());
    BOOST_TEST(chain.mailboxes().total() == 0U);
    check_no_crash(log);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(hanging_agent_is_bounded) {
    const std::string line = deferral_with([](const AgentAttributes&) { return hanging(); },
                                           "no token for relay@contoso\\.test: agent socket "
                                           ".*agent\\.sock: no answer in time",
                                           "remote authentication server unavailable");
    check_bounded(line);
    BOOST_TEST(session_setup(line).count() >= 9'000, line);
}

BOOST_AUTO_TEST_CASE(dripping_agent_is_bounded) {
    const std::string line = deferral_with(
        [](const AgentAttributes&) {
            return CannedAnswer{CannedAnswer::Kind::Drip,
                                "status=ok\ntoken=" + std::string(4000, 'x')};
        },
        "no token for relay@contoso\\.test: agent socket .*agent\\.sock: no answer in time",
        "remote authentication server unavailable");
    check_bounded(line);
}

BOOST_AUTO_TEST_CASE(aborting_agent_is_bounded) {
    const std::string line =
        deferral_with([](const AgentAttributes&) { return closing(); },
                      "no token for relay@contoso\\.test: agent socket .*agent\\.sock: "
                      "the connection was closed before the answer was whole",
                      "remote authentication server unavailable");
    check_bounded(line);
}

BOOST_AUTO_TEST_CASE(absent_agent_is_bounded) {
    Chain chain;
    chain.start_without_agent();
    chain.send("never comes");
    const LogWatch log = chain.client().log();
    check_bounded(log.wait_for(deferred_because("remote authentication server unavailable")));
    BOOST_TEST(log.count("warning: SASL authentication failure: no token for "
                         "relay@contoso\\.test: agent socket /run/postbearer/agent\\.sock: No such "
                         "file or directory \\(is postbearer-agent running") == 1U);
    check_no_crash(log);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(garbled_answer) {
    (void)deferral_with(
        [](const AgentAttributes&) {
            return CannedAnswer{CannedAnswer::Kind::Text, "HTTP/1.1 200 OK\n\n"};
        },
        "no token for relay@contoso\\.test: agent socket .*agent\\.sock: garbled answer",
        "bad protocol / cancel");
}

BOOST_AUTO_TEST_CASE(oversize_answer) {
    (void)deferral_with(
        [](const AgentAttributes&) {
            return CannedAnswer{CannedAnswer::Kind::Text,
                                "status=ok\ntoken=" + std::string(100'000, 'x') + "\n\n"};
        },
        "no token for relay@contoso\\.test: agent socket .*agent\\.sock: garbled answer, longer "
        "than 65536 bytes",
        "bad protocol / cancel");
}

BOOST_AUTO_TEST_CASE(agent_that_comes_back_in_time) {
    Chain chain;
    chain.start_without_agent();
    const std::string token =
        chain.rehearsal().mint(json_of(R"({"client_id":")" + std::string(kClientId) + "\"}"));
    std::size_t asked = 0;
    const CannedAgent agent(chain.agent_socket(), [&](const AgentAttributes& request) {
        return ++asked < 20 ? closing() : granted(token, request.at("account"));
    });
    chain.send("late 1");
    chain.mailboxes().wait_for("alice@example.test", 1);
    BOOST_TEST(chain.client().log().count("status=deferred") == 0U);
    chain.stop();
}

BOOST_AUTO_TEST_SUITE_END()
