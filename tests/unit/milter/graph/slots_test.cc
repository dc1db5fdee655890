// SPDX-License-Identifier: Apache-2.0
#include "milter/graph/slots.hh"

#include <boost/test/unit_test.hpp>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/manual_time.hh"

namespace {

using namespace postbearer;
using namespace std::chrono_literals;
using milter::MailboxSlots;
using milter::Slot;
using milter::SlotAnswer;

/// Messages that take a slot and keep it until told.
struct Room {
    void acquire(const std::string& mailbox, int number, std::chrono::milliseconds budget = 60s) {
        slots.acquire(mailbox, time.boot() + budget, [this, number](SlotAnswer answer) {
            if (answer) {
                order.push_back(number);
                held[number] = std::move(*answer);
            } else {
                refused[number] = answer.error();
            }
        });
    }

    // Others get their slots from inside, and add to the map meanwhile.
    void give_back(int number) { (void)held.extract(number); }
    void give_all_back() { (void)std::exchange(held, {}); }

    test::ManualTime time;
    std::vector<int> order;
    std::map<int, milter::SlotRefusal> refused;
    std::map<int, Slot> held;
    MailboxSlots slots{time, time, 3};
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(slots_test, Room)

BOOST_AUTO_TEST_CASE(first_come_first_served_up_to_the_limit) {
    for (int i = 1; i <= 6; ++i) {
        acquire("a", i);
    }
    BOOST_TEST((order == std::vector{1, 2, 3}));
    BOOST_TEST(slots.waiting("a") == 3U);
    BOOST_TEST(slots.in_flight("a") == 3U);
    give_back(2);
    give_back(1);
    BOOST_TEST((order == std::vector{1, 2, 3, 4, 5}));
    BOOST_TEST(slots.waiting("a") == 1U);
}

BOOST_AUTO_TEST_CASE(mailboxes_do_not_wait_for_each_other) {
    for (int i = 1; i <= 4; ++i) {
        acquire("a", i);
    }
    acquire("b", 5);
    BOOST_TEST((order == std::vector{1, 2, 3, 5}));
    BOOST_TEST(slots.waiting("b") == 0U);
}

BOOST_AUTO_TEST_CASE(a_wait_ends_with_its_deadline) {
    for (int i = 1; i <= 3; ++i) {
        acquire("a", i);
    }
    acquire("a", 4, 10s);
    acquire("a", 5, 20s);
    time.advance(9'999ms);
    BOOST_TEST(refused.empty());
    time.advance(1ms);
    BOOST_REQUIRE(refused.size() == 1U);
    BOOST_TEST(!refused.at(4).paused);
    give_back(1);
    BOOST_TEST((order == std::vector{1, 2, 3, 5}));
    time.advance(60s);
    BOOST_TEST(refused.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_pause_is_waited_for_within_the_budget) {
    slots.pause("a", time.boot() + 5s);
    acquire("a", 1);
    time.advance(4'999ms);
    BOOST_TEST(order.empty());
    time.advance(1ms);
    BOOST_TEST((order == std::vector{1}));
}

BOOST_AUTO_TEST_CASE(a_pause_beyond_the_budget_is_said_at_once) {
    slots.pause("a", time.boot() + 3600s);
    acquire("a", 1);
    BOOST_REQUIRE(refused.size() == 1U);
    BOOST_TEST(refused.at(1).paused);
    BOOST_TEST(refused.at(1).time_left.count() == 3600);
    time.advance(3580500ms);
    acquire("a", 2, 5s);
    BOOST_TEST(refused.at(2).time_left.count() == 20);
    acquire("a", 3, 30s);
    time.advance(30s);
    BOOST_TEST((order == std::vector{3}));
}

BOOST_AUTO_TEST_CASE(a_pause_that_begins_refuses_those_who_wait_and_cannot) {
    for (int i = 1; i <= 3; ++i) {
        acquire("a", i);
    }
    acquire("a", 4, 10s);
    acquire("a", 5, 60s);
    slots.pause("a", time.boot() + 30s);
    BOOST_TEST(refused.size() == 1U);
    BOOST_TEST(refused.contains(4));
    give_all_back();
    BOOST_TEST((order == std::vector{1, 2, 3}));
    time.advance(30s);
    BOOST_TEST((order == std::vector{1, 2, 3, 5}));
}

BOOST_AUTO_TEST_CASE(a_shorter_pause_does_not_end_a_longer_one) {
    slots.pause("a", time.boot() + 20s);
    slots.pause("a", time.boot() + 5s);
    acquire("a", 1);
    time.advance(19s);
    BOOST_TEST(order.empty());
    time.advance(1s);
    BOOST_TEST(order.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_slot_that_is_given_back_serves_the_next_from_inside) {
    int served = 0;
    std::function<void(SlotAnswer)> at_once = [&](SlotAnswer) { ++served; };
    for (int i = 0; i < 1'000; ++i) {
        slots.acquire("a", time.boot() + 60s, at_once);
    }
    BOOST_TEST(served == 1'000);
    BOOST_TEST(slots.mailboxes() == 0U);
}

BOOST_AUTO_TEST_CASE(idle_mailboxes_are_forgotten) {
    for (int i = 0; i < 1'000; ++i) {
        const std::string mailbox = std::to_string(i);
        acquire(mailbox, i);
        if (i % 2 == 0) {
            slots.pause(mailbox, time.boot() + 10s);
        }
    }
    BOOST_TEST(slots.mailboxes() == 1'000U);
    give_all_back();
    BOOST_TEST(slots.mailboxes() == 500U);
    time.advance(10s);
    BOOST_TEST(slots.mailboxes() == 0U);
    BOOST_TEST(time.pending() == 0U);
}

BOOST_AUTO_TEST_CASE(the_limit_can_change) {
    for (int i = 1; i <= 6; ++i) {
        acquire("a", i);
    }
    slots.set_concurrency(5);
    BOOST_TEST(order.size() == 5U);
    slots.set_concurrency(1);
    give_back(1);
    give_back(2);
    BOOST_TEST(order.size() == 5U);
    BOOST_TEST(slots.in_flight("a") == 3U);
    slots.set_concurrency(0);  // would stop all mail: 1
    give_all_back();
    BOOST_TEST(order.size() == 6U);
}

BOOST_AUTO_TEST_CASE(slots_may_outlive_what_gave_them) {
    std::vector<Slot> kept;
    {
        MailboxSlots other(time, time, 1);
        other.acquire("a", time.boot() + 1s, [&](SlotAnswer answer) {
            BOOST_REQUIRE(answer.has_value());
            kept.push_back(std::move(*answer));
        });
        other.acquire("a", time.boot() + 1s, [&](SlotAnswer) { BOOST_ERROR("called"); });
    }
    kept.clear();
    time.advance(10s);
    BOOST_TEST(time.pending() == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
