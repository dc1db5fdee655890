// SPDX-License-Identifier: Apache-2.0
#include "token-agent/store/store_thread.hh"

#include <signal.h>

#include <boost/test/unit_test.hpp>
#include <future>
#include <stdexcept>
#include <vector>

#include "tests/support/memory_store.hh"
#include "tests/unit/agent/store/store_room.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace postbearer::test;

struct Thread {
    Thread() : thread(must(StoreThread::start(std::make_unique<MemoryStore>(), loop))) {}
    boost::asio::io_context loop;
    std::unique_ptr<StoreThread> thread;
};

BOOST_FIXTURE_TEST_SUITE(store_thread_test, Thread)

BOOST_AUTO_TEST_CASE(jobs_run_in_order_elsewhere_and_answer_on_the_loop) {
    const auto here = std::this_thread::get_id();
    std::vector<int> ran;
    std::vector<int> answered;
    for (int i = 0; i < 100; ++i) {
        thread->post(
            [&ran, i, here](TokenStore&) {
                ran.push_back(std::this_thread::get_id() == here ? -1 : i);
            },
            [&answered, i, here] {
                answered.push_back(std::this_thread::get_id() == here ? i : -1);
            });
    }
    BOOST_TEST(answered.empty());  // never inside post()
    loop.run();                    // returns when all of them have answered
    BOOST_REQUIRE(ran.size() == 100U);
    BOOST_REQUIRE(answered.size() == 100U);
    for (int i = 0; i < 100; ++i) {
        BOOST_TEST(ran[static_cast<std::size_t>(i)] == i);
        BOOST_TEST(answered[static_cast<std::size_t>(i)] == i);
    }
    BOOST_TEST(thread->waiting() == 0U);
}

BOOST_AUTO_TEST_CASE(an_answer_is_what_the_store_said) {
    std::optional<Result<std::uint64_t>> answer;
    ask_store<std::uint64_t>(
        *thread,
        [](TokenStore& store) {
            return store.put_login({"p", "a", "c"}, {Secret("token"), "", false, WallTime()});
        },
        [&answer](Result<std::uint64_t> got) { answer = std::move(got); });
    loop.run();
    BOOST_REQUIRE(answer.has_value());
    BOOST_TEST(answer->value() == 1U);
}

BOOST_AUTO_TEST_CASE(what_was_accepted_is_done_before_it_ends) {
    std::promise<void> gate;
    auto opened = gate.get_future();
    int done = 0;
    int answered = 0;
    thread->post([&opened](TokenStore&) { opened.wait(); }, [&answered] { ++answered; });
    for (int i = 0; i < 50; ++i) {
        thread->post([&done](TokenStore&) { ++done; }, [&answered] { ++answered; });
    }
    BOOST_TEST(thread->waiting() == 51U);
    gate.set_value();
    thread.reset();
    BOOST_TEST(done == 50);
    BOOST_TEST(answered == 0);
    loop.run();
    BOOST_TEST(answered == 51);
}

BOOST_AUTO_TEST_CASE(a_job_that_throws_is_answered_and_the_next_one_runs) {
    std::optional<Result<int>> answer;
    ask_store<int>(
        *thread, [](TokenStore&) -> Result<int> { throw std::runtime_error("no"); },
        [&answer](Result<int> got) { answer = std::move(got); });
    bool next = false;
    thread->post([&next](TokenStore&) { next = true; }, [] {});
    loop.run();
    BOOST_REQUIRE(answer.has_value());
    BOOST_CHECK(answer->error().code == Errc::Internal);
    BOOST_TEST(next);
}

BOOST_AUTO_TEST_CASE(signals_are_the_loops) {
    sigset_t mask;
    ::sigemptyset(&mask);
    thread->post([&mask](TokenStore&) { ::pthread_sigmask(SIG_SETMASK, nullptr, &mask); }, [] {});
    loop.run();
    for (const int number : {SIGTERM, SIGHUP, SIGINT, SIGUSR1, SIGCHLD}) {
        BOOST_TEST(::sigismember(&mask, number) == 1);
    }
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    BOOST_TEST(::sigismember(&mask, SIGTERM) == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
