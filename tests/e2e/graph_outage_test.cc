// SPDX-License-Identifier: Apache-2.0
// Graph, or the agent, is away, slow, throttling or vague: Postfix keeps the mail, mailq says why,
// and later all of it goes out, once.
#include <boost/test/unit_test.hpp>

#include "tests/e2e/graph_rig.hh"

using namespace postbearer::test;

namespace {

using std::chrono::seconds;

constexpr const char* kApp = "app@contoso.test";
constexpr const char* kAlice = "alice@example.test";
constexpr const char* kBob = "bob@example.test";

void submit_many(GraphChain& chain, Account& account, const std::string& from,
                 const std::string& prefix, std::size_t count) {
    Dialogue session = chain.trusted();
    for (std::size_t i = 1; i <= count; ++i) {
        const std::string subject = prefix + " " + std::to_string(i);
        expect_taken(session.send(from, {kAlice}, plain_message(from, {kAlice}, subject)));
        account.at_graph(subject, {kAlice});
    }
}

/// Postfix's back-off, a few hundred times faster than its defaults.
std::map<std::string, std::string> fast_retries() {
    return {
        {"minimal_backoff_time", "1s"}, {"maximal_backoff_time", "2s"}, {"queue_run_delay", "1s"}};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(graph_outage_test)

BOOST_AUTO_TEST_CASE(agent_stopped) {
    GraphChain chain;
    chain.start();
    Account account(chain);
    chain.agent().stop();
    submit_many(chain, account, kApp, "tokenless", 3);
    wait_for_reason(chain.client(),
                    "451 4\\.7\\.0 .*No token for mailbox app@contoso\\.test .*postbearer-agent");
    BOOST_TEST(chain.rehearsal().counter("graph_requests") == 0U);
    chain.agent().start();
    chain.flush_until("all of it to go out", [&] { return chain.rehearsal().accepted() == 3; });
    account.check();
    BOOST_TEST(chain.client().log().count("status=bounced") == 0U);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(graph_down_for_an_hour) {
    constexpr std::size_t kMessages = 20;
    constexpr std::size_t kAttempts = 5;  // with Postfix's own back-off, an hour has no more
    GraphChainSettings settings;
    settings.client_main = fast_retries();
    GraphChain chain(std::move(settings));
    chain.start();
    Account account(chain);
    const ReservedPort nobody_listens;
    chain.milter().settings().endpoint =
        "https://localhost:" + std::to_string(nobody_listens.number());
    chain.milter().reload();
    submit_many(chain, account, kApp, "patient", kMessages);
    chain.client().log().wait_for_count(kMessages * kAttempts, "status=deferred", 2 * kPatience);
    wait_for_reason(chain.client(),
                    "451 4\\.4\\.1 .*mailbox app@contoso\\.test did not reach Graph");
    BOOST_TEST(chain.client().log().count("status=bounced") == 0U);
    BOOST_TEST(chain.milter().log().count("event=in_doubt") == 0U);
    chain.milter().settings().endpoint = chain.rehearsal().base_url();
    chain.milter().reload();
    account.check();
    chain.stop();
}

BOOST_AUTO_TEST_CASE(graph_takes_connections_and_says_nothing) {
    GraphChainSettings settings;
    settings.client_main = fast_retries();
    GraphChain chain(std::move(settings));
    chain.start();
    Account account(chain);
    chain.submit("first@contoso.test", {kAlice}, "the agent has its token now");
    account.at_graph("the agent has its token now", {kAlice});
    account.check();
    (void)chain.rehearsal().behave(R"({"times":-1,"do":{"kind":"hang_accept"}})");
    // Connections from before serve on, so Graph is asked to close the one there is.
    (void)chain.rehearsal().behave(
        R"({"endpoint":"sendmail","times":-1,"do":{"kind":"reset_before"}})");
    submit_many(chain, account, kApp, "held up", 3);
    chain.client().log().wait_for_count(4, "status=deferred");
    chain.rehearsal().forget_behaviours();
    account.check();
    BOOST_TEST(chain.client().log().count("status=bounced") == 0U);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(graph_503_with_retry_after) {
    GraphChain chain;
    chain.start();
    Account account(chain);
    (void)chain.rehearsal().behave(R"({"endpoint":"sendmail","do":{"kind":"graph_error",
        "status":503,"code":"ErrorServerBusy","message":"busy","headers":{"Retry-After":"3"}}})");
    chain.submit(kApp, {kAlice}, "first");
    (void)chain.milter().log().wait_for("event=graph_refused .*http=503 .*pause_s=3");
    const Stopwatch watch;
    chain.submit(kApp, {kBob}, "second");  // waits for the end of the pause in its transaction
    chain.rehearsal().wait_for_accepted(1, kPatience);
    BOOST_TEST(watch.elapsed().count() >= 2000);
    account.at_graph("first", {kAlice});
    account.at_graph("second", {kBob});
    chain.flush_until("both to go out", [&] { return chain.rehearsal().accepted() == 2; });
    account.check();
    BOOST_TEST(chain.client().log().count("to=<bob@.*status=deferred") == 0U);
    BOOST_TEST(chain.client().log().count("to=<alice@.*dsn=4\\.3\\.2, status=deferred") == 1U);
    chain.stop();
}

/// At least once: without a right to look the message up, Postfix sends again what Graph may have
/// taken, and mailq says so. Here Graph had taken it: both recipients get two copies.
BOOST_AUTO_TEST_CASE(ambiguous_answer_is_deferred) {
    GraphChainSettings settings;
    settings.graph_more = "answer_timeout = \"2s\"\nin_doubt = \"resend\"\n";
    GraphChain chain(std::move(settings));
    chain.start();
    Account account(chain);
    (void)chain.rehearsal().behave(
        R"({"endpoint":"sendmail","mailbox":"gateway@contoso.test","do":{"kind":"graph_error",
            "status":504,"code":"UnknownError","message":"","delivered":true}})");
    (void)chain.rehearsal().behave(
        R"({"endpoint":"sendmail","mailbox":"silence@contoso.test",
            "do":{"kind":"hang","delivered":true}})");
    chain.submit("gateway@contoso.test", {kAlice}, "gateway");
    chain.submit("silence@contoso.test", {kBob}, "silence");
    const LogWatch log = chain.client().log();
    for (const char* recipient : {"alice", "bob"}) {
        (void)log.wait_for("to=<" + std::string(recipient) +
                           "@example\\.test>.*dsn=4\\.4\\.2, status=deferred .*said: 451 4\\.4\\.2 "
                           ".*may have been sent");
    }
    chain.milter().log().wait_for_count(2, "event=in_doubt .*class=in_doubt");
    BOOST_TEST(chain.rehearsal().accepted() == 2U);
    chain.flush_until("Postfix to send both again",
                      [&] { return chain.rehearsal().accepted() == 4; });
    for (int copy = 0; copy < 2; ++copy) {
        account.at_graph("gateway", {kAlice});
        account.at_graph("silence", {kBob});
    }
    account.check();
    // The copies can be told for what they are.
    for (const Json::Value& delivery : chain.rehearsal().deliveries()) {
        BOOST_TEST(delivery["count"].asUInt64() == 2U);
    }
    chain.stop();
}

BOOST_AUTO_TEST_CASE(throttled_429_mailbox_concurrency) {
    constexpr std::size_t kMessages = 15;
    GraphChain chain;
    chain.start();
    Account account(chain);
    chain.rehearsal().set_graph_limits(R"({"concurrent":1})");  // another app takes the rest
    (void)chain.rehearsal().behave(
        R"({"endpoint":"sendmail","times":-1,"do":{"kind":"latency","ms":200}})");
    submit_many(chain, account, kApp, "throttled", kMessages);
    chain.flush_until(
        "all of it to go out", [&] { return chain.rehearsal().accepted() >= kMessages; },
        2 * kPatience);
    account.check();
    BOOST_TEST(chain.milter().log().count("event=graph_refused .*http=429") >= 1U);
    BOOST_TEST(chain.client().log().count("status=bounced") == 0U);
    BOOST_TEST_MESSAGE(chain.milter().log().count("event=graph_refused .*http=429")
                       << " times 429, " << chain.client().log().count("status=deferred")
                       << " deferrals for " << kMessages << " messages");
    chain.stop();
}

BOOST_AUTO_TEST_CASE(slow_mailbox_does_not_stop_others) {
    constexpr std::size_t kOthers = 20;
    const std::size_t slow = small_load() ? 60 : 300;  // more than there are sessions
    GraphChain chain;
    chain.start();
    Account account(chain);
    (void)chain.rehearsal().behave(
        R"({"endpoint":"sendmail","mailbox":"slow@contoso.test","times":-1,"do":{"kind":"hang"}})");
    submit_many(chain, account, "slow@contoso.test", "slow", slow);
    wait_until("the slow mailbox to hang",
               [&] { return chain.rehearsal().counter("graph_in_flight") >= 3; });
    const Stopwatch watch;
    for (std::size_t i = 1; i <= kOthers; ++i) {
        const std::string from = "app" + std::to_string(i) + "@contoso.test";
        const std::string subject = "quick " + std::to_string(i);
        chain.submit(from, {kBob}, subject);
        account.at_graph(subject, {kBob});
    }
    chain.rehearsal().wait_for_accepted(kOthers, kPatience);
    const auto elapsed = watch.elapsed();
    BOOST_TEST(elapsed.count() <= (small_load() ? 30'000 : 20'000));
    BOOST_TEST(chain.client().log().count("to=<bob@.*status=deferred") == 0U);
    wait_for_reason(chain.client(),
                    "451 4\\.7\\.0 .*mailbox slow@contoso\\.test has [0-9]+ messages waiting");
    chain.rehearsal().forget_behaviours();
    chain.flush_until(
        "the slow ones to go out", [&] { return chain.rehearsal().accepted() >= kOthers + slow; },
        seconds(180));
    account.check();
    BOOST_TEST_MESSAGE(kOthers << " others in " << elapsed.count() << " ms beside a mailbox with "
                               << slow << " messages that hang");
    chain.stop();
}

BOOST_AUTO_TEST_SUITE_END()
