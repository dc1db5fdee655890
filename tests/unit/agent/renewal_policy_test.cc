// SPDX-License-Identifier: Apache-2.0
#include "token-agent/renewal_policy.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace std::chrono_literals;
using protocol::FailureClass;

BOOST_AUTO_TEST_SUITE(renewal_policy_test)

struct HostRow {
    const char* name;
    const char* host;
    seconds expected;
};
std::ostream& operator<<(std::ostream& out, const HostRow& row) { return out << row.name; }
constexpr HostRow kHosts[] = {
    {"no hint", "", 300s},
    {"normal submission", "smtp.office365.com", 300s},
    {"high-volume service", "smtp-hve.office365.com", 660s},
    {"any case", "SMTP-HVE.Office365.COM", 660s},
    {"longer name", "smtp-hve.office365.com.evil.test", 300s},
    {"sub-domain", "x.smtp-hve.office365.com", 300s},
};
BOOST_DATA_TEST_CASE(default_by_destination, boost::unit_test::data::make(kHosts), row) {
    BOOST_TEST((default_min_valid(row.host) == row.expected));
}

struct CapRow {
    const char* name;
    milliseconds wished;
    milliseconds life;
    milliseconds expected;
};
std::ostream& operator<<(std::ostream& out, const CapRow& row) { return out << row.name; }
constexpr CapRow kCaps[] = {
    {"below the cap", 300s, 3600s, 300s},        {"exactly two thirds", 2400s, 3600s, 2400s},
    {"one more is capped", 2401s, 3600s, 2400s}, {"absurd wish", 400 * 24h, 3600s, 2400s},
    {"short token", 300s, 5s, 3333ms},           {"wish of nothing", 0s, 3600s, 0s},
    {"day-long token", 660s, 24h, 660s},
};
BOOST_DATA_TEST_CASE(two_thirds_cap, boost::unit_test::data::make(kCaps), row) {
    BOOST_TEST((capped_min_valid(row.wished, row.life) == row.expected));
}

struct DelayRow {
    const char* name;
    milliseconds life;
    std::optional<seconds> refresh_in;
    milliseconds asked;  // largest capped min_valid of the last day
    milliseconds expected;
};
std::ostream& operator<<(std::ostream& out, const DelayRow& row) { return out << row.name; }
constexpr DelayRow kDelays[] = {
    {"hour, default wish: 70 %", 3600s, {}, 300s, 2520s},
    {"hour, high-volume wish: 70 %", 3600s, {}, 660s, 2520s},
    {"hour, nobody asked: 70 %", 3600s, {}, 0s, 2520s},
    {"hour, long wish decides", 3600s, {}, 1800s, 1740s},
    {"hour, longest wish: 30 %", 3600s, {}, 2400s, 1140s},
    {"30 % is the floor", 1000s, {}, 666s, 300s},
    {"70 % meets the wish", 3600s, {}, 1020s, 2520s},
    {"one second more moves it", 3600s, {}, 1021s, 2519s},
    {"day-long token, refresh_in 12 h", 24h, 43200s, 300s, 43200s},
    {"refresh_in later than 70 %", 3600s, 3500s, 300s, 2520s},
    {"refresh_in earlier than 30 %", 3600s, 60s, 300s, 60s},
    {"refresh_in of 0 does not spin", 3600s, 0s, 300s, 1s},
    {"refresh_in beyond the life", 3600s, 7200s, 300s, 2520s},
    {"five-second token", 5s, {}, 3333ms, 1500ms},
    {"one-second token", 1s, {}, 666ms, 300ms},
    {"one-second token with refresh_in 0", 1s, 0s, 666ms, 100ms},
};
BOOST_DATA_TEST_CASE(renewal_starts, boost::unit_test::data::make(kDelays), row) {
    BOOST_TEST((renewal_delay(row.life, row.refresh_in, row.asked) == row.expected),
               renewal_delay(row.life, row.refresh_in, row.asked).count());
}

struct RetryRow {
    const char* name;
    FailureClass failure_class;
    std::optional<seconds> retry_after;
    unsigned failures;
    bool expired;
    double jitter;
    milliseconds on_demand;
    milliseconds background;
};
std::ostream& operator<<(std::ostream& out, const RetryRow& row) { return out << row.name; }
constexpr double kMost = 0.999999999;
constexpr RetryRow kRetries[] = {
    {"first, least jitter", FailureClass::Transient, {}, 1, false, 0.0, 1s, 1s},
    {"first, most jitter", FailureClass::Transient, {}, 1, false, kMost, 1999ms, 1999ms},
    {"second", FailureClass::Transient, {}, 2, false, kMost, 3999ms, 3999ms},
    {"third, half", FailureClass::Transient, {}, 3, false, 0.5, 4s, 4s},
    {"cap with a token", FailureClass::Transient, {}, 20, false, kMost, 299'999ms, 299'999ms},
    {"cap without a token", FailureClass::Transient, {}, 20, true, kMost, 59'999ms, 59'999ms},
    {"very many failures", FailureClass::Transient, {}, 4'000'000'000U, true, 0.5, 30s, 30s},
    {"Retry-After is the least", FailureClass::Transient, 120s, 1, true, kMost, 120s, 120s},
    {"a short one does not shorten", FailureClass::Transient, 1s, 3, false, 0.5, 4s, 4s},
    {"an absurd one is capped", FailureClass::Transient, 999'999s, 1, false, 0.0, 3600s, 3600s},
    {"needs_admin", FailureClass::NeedsAdmin, {}, 1, true, kMost, 60s, 1h},
    {"needs_admin, ninth", FailureClass::NeedsAdmin, {}, 9, false, kMost, 60s, 1h},
    {"needs_user", FailureClass::NeedsUser, {}, 1, true, kMost, 120s, 6h},
    {"odd class of a provider", FailureClass::BadRequest, {}, 1, true, 0.0, 60s, 1h},
};
BOOST_DATA_TEST_CASE(retry_after_failure, boost::unit_test::data::make(kRetries), row) {
    protocol::AgentFailure failure;
    failure.failure_class = row.failure_class;
    failure.retry_after = row.retry_after;
    const RetryPlan plan = plan_retry(failure, row.failures, row.expired, row.jitter);
    BOOST_TEST(plan.on_demand.count() == row.on_demand.count());
    BOOST_TEST(plan.background.count() == row.background.count());
}

BOOST_AUTO_TEST_CASE(jitter_stays_between_one_second_and_the_doubling_ceiling) {
    const protocol::AgentFailure failure;
    for (unsigned failures = 1; failures < 14; ++failures) {
        for (int i = 0; i < 100; ++i) {
            const RetryPlan plan = plan_retry(failure, failures, false, i / 100.0);
            const milliseconds ceiling = std::min<milliseconds>(300s, 2s * (1U << (failures - 1)));
            BOOST_TEST((plan.background >= 1s && plan.background <= ceiling));
        }
    }
}

BOOST_AUTO_TEST_CASE(maximum_of_the_last_day_and_no_longer) {
    DailyMaximum maximum;
    const BootTime start{1000h};
    BOOST_TEST(maximum.largest(start).count() == 0);
    maximum.note(660s, start);
    maximum.note(300s, start + 1min);
    BOOST_TEST((maximum.largest(start + 1min) == 660s));
    BOOST_TEST((maximum.largest(start + 24h) == 660s));
    BOOST_TEST((maximum.largest(start + 25h) == 0s));
    maximum.note(500s, start + 30h);
    BOOST_TEST((maximum.largest(start + 31h) == 500s));
}

BOOST_AUTO_TEST_CASE(an_hour_slot_is_used_again) {
    DailyMaximum maximum;
    const BootTime start{0h};
    maximum.note(900s, start);
    maximum.note(100s, start + 25h);  // the same slot of the ring
    BOOST_TEST((maximum.largest(start + 25h) == 100s));
    maximum.note(50s, start + 25h);
    BOOST_TEST((maximum.largest(start + 25h) == 100s));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
