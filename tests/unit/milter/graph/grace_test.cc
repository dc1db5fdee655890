// SPDX-License-Identifier: Apache-2.0
#include "milter/graph/grace.hh"

#include <boost/test/unit_test.hpp>

namespace {

using namespace postbearer;
using namespace std::chrono_literals;

const BootTime kStart{1'000s};

}  // namespace

BOOST_AUTO_TEST_SUITE(grace_test)

BOOST_AUTO_TEST_CASE(it_passes_after_its_time_and_not_before) {
    milter::GraceTimes times;
    BOOST_TEST(!times.has_passed("a", "x", 4h, kStart));
    BOOST_TEST(!times.has_passed("a", "x", 4h, kStart + 4h - 1ms));
    BOOST_TEST(times.has_passed("a", "x", 4h, kStart + 4h));
}

BOOST_AUTO_TEST_CASE(mailboxes_and_errors_have_times_of_their_own) {
    milter::GraceTimes times;
    BOOST_TEST(!times.has_passed("a", "x", 1h, kStart));
    BOOST_TEST(!times.has_passed("a", "y", 1h, kStart + 2h));
    BOOST_TEST(!times.has_passed("b", "x", 1h, kStart + 2h));
    BOOST_TEST(times.has_passed("a", "x", 1h, kStart + 2h));
}

BOOST_AUTO_TEST_CASE(a_success_of_the_mailbox_begins_anew) {
    milter::GraceTimes times;
    BOOST_TEST(!times.has_passed("a", "x", 1h, kStart));
    BOOST_TEST(!times.has_passed("a", "y", 1h, kStart));
    BOOST_TEST(!times.has_passed("ab", "x", 1h, kStart));
    times.clear("a");
    BOOST_TEST(times.size() == 1U);
    BOOST_TEST(!times.has_passed("a", "x", 1h, kStart + 2h));
    BOOST_TEST(times.has_passed("ab", "x", 1h, kStart + 2h));
}

BOOST_AUTO_TEST_CASE(a_day_without_the_error_begins_anew) {
    milter::GraceTimes times;
    BOOST_TEST(!times.has_passed("a", "x", 4h, kStart));
    BOOST_TEST(!times.has_passed("a", "x", 4h, kStart + 24h));
    BOOST_TEST(times.has_passed("a", "x", 4h, kStart + 29h));
}

BOOST_AUTO_TEST_CASE(its_memory_is_bounded) {
    milter::GraceTimes times;
    for (int i = 0; i < 50'000; ++i) {
        (void)times.has_passed(std::to_string(i), "x", 4h, kStart);
    }
    BOOST_TEST(times.size() <= 20'000U);
}

BOOST_AUTO_TEST_SUITE_END()
