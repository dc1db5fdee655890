// SPDX-License-Identifier: Apache-2.0
// Renewal is never in the way of a delivery, happens once however many wait for it, and an
// endpoint that hangs costs nobody more than ten seconds.
#include <boost/test/unit_test.hpp>
#include <ctime>
#include <set>

#include "tests/e2e/expectations.hh"

using namespace postbearer::test;

namespace {

/// Each message makes a session, and so an AUTH, of its own.
ChainSettings one_session_each() {
    ChainSettings settings;
    settings.client_main["smtp_connection_cache_on_demand"] = "no";
    return settings;
}

std::size_t count_results(const Rehearsal& rehearsal, const std::string& result) {
    std::size_t count = 0;
    for (const Json::Value& attempt : rehearsal.auth()) {
        count += attempt["result"].asString() == result ? 1U : 0U;
    }
    return count;
}

std::set<std::string> pids_in(const std::vector<std::string>& lines) {
    std::set<std::string> pids;
    for (const std::string& line : lines) {
        const std::size_t at = line.find(" pid=") + 5;
        pids.insert(line.substr(at, line.find(' ', at) - at));
    }
    return pids;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(refresh_test)

BOOST_AUTO_TEST_CASE(two_hundred_messages_over_five_second_tokens) {
    constexpr std::size_t kMessages = 200;
    constexpr std::size_t kBatch = 40;
    ChainSettings settings = one_session_each();
    settings.lifetime = "5";
    Chain chain(std::move(settings));
    chain.start();
    for (std::size_t i = 1; i <= kMessages; ++i) {
        chain.send("steady " + std::to_string(i));
        if (i % kBatch == 0) {
            // Goes on with a later token than the last batch had, so that five of them are used.
            const std::size_t tokens = i / kBatch + 1;
            wait_until("token number " + std::to_string(tokens),
                       [&] { return chain.rehearsal().counter("token_successes") >= tokens; });
        }
    }
    chain.mailboxes().wait_for("alice@example.test", kMessages);
    chain.client().wait_until_empty();
    check_each_once(chain.mailboxes(), "alice@example.test", "steady", kMessages);
    BOOST_TEST(chain.client().log().count("status=(deferred|bounced)") == 0U);
    BOOST_TEST(count_results(chain.rehearsal(), "ok") == kMessages);
    BOOST_TEST(count_results(chain.rehearsal(), "fail") == 0U);
    BOOST_TEST(chain.rehearsal().counter("max_in_flight") == 1U);
    check_no_crash(chain.client().log());
    chain.stop();
}

BOOST_AUTO_TEST_CASE(twenty_sessions_on_an_expired_token) {
    constexpr std::size_t kSessions = 20;
    ChainSettings settings = one_session_each();
    settings.lifetime = "5";
    settings.client_main["initial_destination_concurrency"] = "20";
    Chain chain(std::move(settings));
    chain.start();
    const Rehearsal& rehearsal = chain.rehearsal();
    // The renewal that begins before the first token ends takes until well after its end.
    (void)rehearsal.behave(R"({"after":1,"do":{"kind":"latency","ms":8500}})");
    chain.send("first", kRelayAccount, "bob@example.test");
    chain.mailboxes().wait_for("bob@example.test", 1);
    // Long enough to outlive its own delay.
    (void)rehearsal.put_client(kClientId,
                               json_of(R"({"tenant":"contoso.test","mailboxes":["*@contoso.test"],)"
                                       R"("secrets":[{"value":"correct horse battery staple"}]})"));
    chain.hold();
    chain.send_many("together", kSessions);
    chain.lift_hold();
    const std::int64_t expiry = rehearsal.tokens()[0]["exp"].asInt64();
    wait_until("the first token's end", [&] { return std::time(nullptr) > expiry; });
    LogWatch agent_log = chain.agent().log();
    agent_log.mark();
    chain.client().flush();
    chain.mailboxes().wait_for("alice@example.test", kSessions);
    chain.client().wait_until_empty();
    check_each_once(chain.mailboxes(), "alice@example.test", "together", kSessions);
    BOOST_TEST(rehearsal.counter("token_requests") == 2U);  // of "first", and one for all twenty
    BOOST_TEST(count_results(rehearsal, "ok") == kSessions + 1);
    BOOST_TEST(pids_in(agent_log.lines("event=token_handed_out")).size() == kSessions);
    BOOST_TEST(chain.client().log().count("SASL authentication fail") == 0U);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(endpoint_that_never_answers) {
    Chain chain;
    chain.start();
    (void)chain.rehearsal().behave(R"({"times":-1,"do":{"kind":"hang"}})");
    chain.send("patient 1");
    const LogWatch log = chain.client().log();
    const std::string line = log.wait_for("status=deferred");
    BOOST_TEST(line.find("remote authentication server unavailable") != std::string::npos, line);
    BOOST_TEST(session_setup(line).count() <= 12'000, line);
    BOOST_TEST(log.count("warning: SASL authentication failure: account relay@contoso\\.test: "
                         "provider 'rehearsal': the token endpoint has not answered within 8 s; "
                         "check that this host reaches it over HTTPS") == 1U);
    chain.rehearsal().forget_behaviours();
    chain.flush_until("the delivery after the recovery",
                      [&] { return chain.mailboxes().count("alice@example.test") > 0; });
    chain.client().wait_until_empty();
    check_each_once(chain.mailboxes(), "alice@example.test", "patient", 1);
    check_no_crash(log);
    chain.stop();
}

BOOST_AUTO_TEST_SUITE_END()
