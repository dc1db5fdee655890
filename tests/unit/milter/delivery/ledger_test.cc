// SPDX-License-Identifier: Apache-2.0
#include "milter/delivery/ledger.hh"

#include <boost/test/unit_test.hpp>

#include "tests/support/manual_time.hh"

namespace postbearer::milter {
namespace {

BOOST_AUTO_TEST_SUITE(ledger_test)

struct Room {
    test::ManualTime time;
    MemoryLedger ledger{time};
    MessageIdentity one{"4cONE", "<1@x.example>"};

    [[nodiscard]] Ledger::State state(const MessageIdentity& message,
                                      const std::string& recipient) const {
        return ledger.find(message, recipient).state;
    }
};

BOOST_FIXTURE_TEST_CASE(a_recipient_passes_through_its_states, Room) {
    BOOST_TEST((state(one, "a@x") == Ledger::State::Unknown));
    ledger.begin(one, {"a@x", "b@x"});
    BOOST_TEST((state(one, "a@x") == Ledger::State::InFlight));
    BOOST_TEST((state(one, "c@x") == Ledger::State::Unknown));
    ledger.done(one, {"a@x"}, {250, "2.0.0", "yes"});
    ledger.forget(one, {"b@x"});
    BOOST_TEST((state(one, "a@x") == Ledger::State::Done));
    BOOST_TEST(ledger.find(one, "a@x").reply.text == "yes");
    BOOST_TEST((state(one, "b@x") == Ledger::State::Unknown));
    ledger.answered(one, {"a@x"});
    BOOST_TEST(ledger.size() == 0U);
}

BOOST_FIXTURE_TEST_CASE(queue_id_and_message_id_tell_messages_apart, Room) {
    ledger.begin(one, {"a@x"});
    BOOST_TEST((state({"4cTWO", "<1@x.example>"}, "a@x") == Ledger::State::Unknown));
    BOOST_TEST((state({"4cONE", "<2@x.example>"}, "a@x") == Ledger::State::Unknown));
    ledger.forget({"4cTWO", ""}, {"a@x"});
    BOOST_TEST((state(one, "a@x") == Ledger::State::InFlight));
}

BOOST_FIXTURE_TEST_CASE(what_nobody_asks_for_any_more_is_dropped_but_never_what_is_in_flight,
                        Room) {
    ledger.begin({"flying", "m"}, {"a@x"});
    for (int i = 0; i < 1023; ++i) {
        ledger.done({"old" + std::to_string(i), "m"}, {"a@x"}, {250, "2.0.0", "yes"});
    }
    ledger.begin(one, {"a@x"});
    BOOST_TEST(ledger.size() == 1025U);
    time.advance(std::chrono::hours(5 * 24 + 1));
    for (int i = 0; i < 1100; ++i) {
        ledger.begin({"new" + std::to_string(i), "m"}, {"a@x"});
    }
    BOOST_TEST(ledger.size() == 1102U);
    BOOST_TEST((state({"flying", "m"}, "a@x") == Ledger::State::InFlight));
    BOOST_TEST((state({"old7", "m"}, "a@x") == Ledger::State::Unknown));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace postbearer::milter
