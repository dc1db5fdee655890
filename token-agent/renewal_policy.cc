// SPDX-License-Identifier: Apache-2.0
#include "token-agent/renewal_policy.hh"

#include <algorithm>

#include "common/text.hh"

namespace postbearer::agent {
namespace {

using namespace std::chrono_literals;
using protocol::FailureClass;

constexpr milliseconds kFirstBackoff = 2s;
constexpr milliseconds kShortestBackoff = 1s;
constexpr milliseconds kLongestBackoff = 300s;
constexpr milliseconds kLongestBackoffWithoutToken = 60s;
constexpr seconds kLongestRetryAfter = 3600s;

milliseconds jittered_backoff(unsigned failures, bool token_expired, double jitter) noexcept {
    const milliseconds cap = token_expired ? kLongestBackoffWithoutToken : kLongestBackoff;
    const unsigned doublings = std::min(failures == 0 ? 0U : failures - 1, 8U);
    const milliseconds ceiling = std::min(cap, kFirstBackoff * (1U << doublings));
    const milliseconds chosen(
        static_cast<milliseconds::rep>(jitter * static_cast<double>(ceiling.count())));
    return std::max(kShortestBackoff, chosen);
}

std::int64_t hour_of(BootTime now) noexcept {
    return std::chrono::floor<std::chrono::hours>(now.time_since_epoch()).count();
}

}  // namespace

seconds default_min_valid(std::string_view host) noexcept {
    constexpr std::string_view kHighVolume = "smtp-hve.office365.com";
    return ascii_lower(host) == kHighVolume ? 660s : 300s;
}

milliseconds capped_min_valid(milliseconds wished, milliseconds life) noexcept {
    return std::min(wished, life * 2 / 3);
}

milliseconds renewal_delay(milliseconds life, std::optional<seconds> refresh_in,
                           milliseconds largest_capped_min_valid) noexcept {
    const milliseconds late = std::max(life * 3 / 10, life - largest_capped_min_valid - 60s);
    milliseconds delay = std::min(life * 7 / 10, late);
    if (refresh_in) {
        delay = std::min<milliseconds>(delay, *refresh_in);
    }
    // A provider that says refresh_in=0 must not make us spin.
    return std::max(delay, std::min<milliseconds>(1s, life / 10));
}

RetryPlan plan_retry(const protocol::AgentFailure& failure, unsigned failures, bool token_expired,
                     double jitter) noexcept {
    switch (failure.failure_class) {
        case FailureClass::NeedsUser:
            return {120s, 6h};
        case FailureClass::NeedsAdmin:
        case FailureClass::Denied:
        case FailureClass::UnknownAccount:
        case FailureClass::BadRequest:
            return {60s, 1h};
        case FailureClass::Transient:
            break;
    }
    milliseconds delay = jittered_backoff(failures, token_expired, jitter);
    if (failure.retry_after) {
        delay = std::max<milliseconds>(delay, std::min(*failure.retry_after, kLongestRetryAfter));
    }
    return {delay, delay};
}

void DailyMaximum::note(milliseconds value, BootTime now) noexcept {
    const std::int64_t number = hour_of(now);
    Hour& hour = hours_[static_cast<std::size_t>(number) % hours_.size()];
    if (hour.number != number) {
        hour = {number, value};
    } else {
        hour.largest = std::max(hour.largest, value);
    }
}

milliseconds DailyMaximum::largest(BootTime now) const noexcept {
    const std::int64_t oldest = hour_of(now) - 24;
    milliseconds result{};
    for (const Hour& hour : hours_) {
        if (hour.number >= oldest) {
            result = std::max(result, hour.largest);
        }
    }
    return result;
}

}  // namespace postbearer::agent
