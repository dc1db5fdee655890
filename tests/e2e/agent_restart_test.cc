// SPDX-License-Identifier: Apache-2.0
// An agent that is killed and comes back in the middle of the traffic: deliveries wait for it
// inside their deadline; none is deferred, bounced, lost or doubled.
#include <boost/test/unit_test.hpp>

#include "tests/e2e/expectations.hh"

using namespace postbearer::test;

BOOST_AUTO_TEST_SUITE(agent_restart_test)

BOOST_AUTO_TEST_CASE(killed_in_the_middle_of_five_hundred) {
    constexpr std::size_t kMessages = 500;
    ChainSettings settings;
    settings.client_main["smtp_connection_cache_on_demand"] = "no";
    Chain chain(std::move(settings));
    chain.start();
    for (std::size_t i = 1; i <= kMessages; ++i) {
        chain.send("steady " + std::to_string(i));
        if (i % 125 == 0 && i < kMessages) {
            chain.agent().kill();
            // Some deliveries find nobody before it is back.
            chain.send("steady " + std::to_string(++i));
            chain.agent().start();
        }
    }
    chain.mailboxes().wait_for("alice@example.test", kMessages, std::chrono::seconds(120));
    chain.client().wait_until_empty();
    check_each_once(chain.mailboxes(), "alice@example.test", "steady", kMessages);
    const LogWatch log = chain.client().log();
    BOOST_TEST(log.count("status=(deferred|bounced)") == 0U);
    BOOST_TEST(log.count("SASL authentication fail") == 0U);
    for (const std::string& line : log.lines("status=sent")) {
        BOOST_TEST(session_setup(line).count() <= 12'000, line);
    }
    BOOST_TEST(chain.agent().log().count("event=started") == 4U);
    check_no_crash(log);
    chain.stop();
}

BOOST_AUTO_TEST_SUITE_END()
