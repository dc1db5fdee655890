// SPDX-License-Identifier: Apache-2.0
#include "common/service/loop_scheduler.hh"

#include <boost/asio/post.hpp>
#include <boost/test/unit_test.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace postbearer;
using namespace postbearer::service;
using namespace std::chrono_literals;

struct SchedulerRoom {
    SchedulerRoom() { BOOST_REQUIRE(scheduler.open().has_value()); }

    /// Waits in the loop, not in a sleep, until `count` tasks have run.
    void run_until(std::size_t count) {
        while (ran.size() < count) {
            (void)loop.run_one();
        }
    }
    std::function<void()> task(std::string name) {
        return [this, name = std::move(name)] { ran.push_back(name); };
    }
    void check(const std::vector<std::string>& expected) const {
        BOOST_TEST(ran == expected, boost::test_tools::per_element());
    }

    boost::asio::io_context loop{1};
    LoopScheduler scheduler{loop};
    BootTime now = BootClock::now();
    std::vector<std::string> ran;
};

BOOST_FIXTURE_TEST_SUITE(loop_scheduler_test, SchedulerRoom)

BOOST_AUTO_TEST_CASE(tasks_run_in_order_of_time_then_of_arrival) {
    (void)scheduler.at(now + 30ms, task("last"));
    (void)scheduler.at(now + 10ms, task("first"));
    (void)scheduler.at(now + 20ms, task("second"));
    (void)scheduler.at(now + 20ms, task("third"));
    run_until(4);
    check({"first", "second", "third", "last"});
    BOOST_TEST((BootClock::now() >= now + 30ms));
}

BOOST_AUTO_TEST_CASE(a_time_that_passed_runs_at_the_next_turn_never_inside) {
    (void)scheduler.at(now - 1s, task("past"));  // any machine has been up that long
    (void)scheduler.at(BootTime(0s), task("boot"));
    (void)scheduler.at(BootTime::min() + 1h, task("before the boot"));
    BOOST_TEST(ran.empty());
    run_until(3);
    check({"before the boot", "boot", "past"});
}

BOOST_AUTO_TEST_CASE(cancelled_tasks_do_not_run) {
    const auto first = scheduler.at(now + 5ms, task("first"));
    (void)scheduler.at(now + 10ms, task("second"));
    const auto third = scheduler.at(now + 15ms, task("third"));
    (void)scheduler.at(now + 20ms, task("fourth"));
    scheduler.cancel(first);
    scheduler.cancel(third);
    scheduler.cancel(first);
    scheduler.cancel(0);
    scheduler.cancel(12345);
    run_until(2);
    check({"second", "fourth"});
    scheduler.cancel(third);
}

BOOST_AUTO_TEST_CASE(ids_are_never_zero_and_never_used_again) {
    Scheduler::Id before = 0;
    for (int i = 0; i < 100; ++i) {
        const auto id = scheduler.at(now + 1h, task("never"));
        BOOST_TEST(id > before);
        before = id;
        scheduler.cancel(id);
    }
}

BOOST_AUTO_TEST_CASE(an_earlier_task_moves_the_timer_forward) {
    (void)scheduler.at(now + 1h, task("never"));
    (void)scheduler.at(now + 1ms, task("soon"));
    run_until(1);
    check({"soon"});
}

BOOST_AUTO_TEST_CASE(tasks_may_add_and_cancel) {
    Scheduler::Id victim = 0;
    (void)scheduler.at(now, [&] {
        ran.emplace_back("adder");
        scheduler.cancel(victim);
        (void)scheduler.at(now, task("added for now"));
        (void)scheduler.at(now + 5ms, task("added for later"));
    });
    victim = scheduler.at(now, task("victim"));
    run_until(3);
    check({"adder", "added for now", "added for later"});
}

BOOST_AUTO_TEST_CASE(a_task_that_comes_back_for_ever_leaves_room_for_others) {
    int laps = 0;
    std::function<void()> again = [&] {
        ++laps;
        (void)scheduler.at(now - 1s, again);  // always the first in the queue
    };
    (void)scheduler.at(now - 1s, again);
    (void)scheduler.at(now, task("timer"));
    boost::asio::post(loop, task("input"));
    for (int turn = 0; turn < 1000 && ran.size() < 2; ++turn) {
        (void)loop.run_one();
    }
    BOOST_TEST(ran.size() == 2U);
    BOOST_TEST(laps > 0);
}

BOOST_AUTO_TEST_CASE(a_task_that_throws_does_not_stop_the_clock) {
    (void)scheduler.at(now, [] { throw std::runtime_error("a bug"); });
    (void)scheduler.at(now, task("next"));
    (void)scheduler.at(now + 5ms, task("later"));
    int thrown = 0;
    while (ran.size() < 2) {
        try {
            (void)loop.run_one();
        } catch (const std::runtime_error&) {
            ++thrown;
        }
    }
    BOOST_TEST(thrown == 1);
    check({"next", "later"});
}

BOOST_AUTO_TEST_CASE(ten_thousand_tasks_half_of_them_cancelled) {
    std::vector<Scheduler::Id> ids;
    std::size_t runs = 0;
    ids.reserve(10'000);
    for (int i = 0; i < 10'000; ++i) {
        ids.push_back(scheduler.at(now + std::chrono::milliseconds(i % 7), [&runs] { ++runs; }));
    }
    for (std::size_t i = 0; i < ids.size(); i += 2) {
        scheduler.cancel(ids[i]);
    }
    (void)scheduler.at(now + 8ms, task("last"));
    run_until(1);
    BOOST_TEST(runs == 5'000U);
}

BOOST_AUTO_TEST_CASE(it_may_end_with_tasks_open) {
    boost::asio::io_context other{1};
    bool ran_late = false;
    {
        LoopScheduler brief(other);
        BOOST_REQUIRE(brief.open().has_value());
        (void)brief.at(now, [&] { ran_late = true; });
    }
    (void)other.poll();
    BOOST_TEST(!ran_late);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
