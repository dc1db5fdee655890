// SPDX-License-Identifier: Apache-2.0
#pragma once

// When a token is good enough to hand out, when it is renewed, and how long failures wait. Pure
// functions: the contract's numbers (design 4.2, 5) stand here and nowhere else.

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "common/agent_messages.hh"
#include "common/clock.hh"

namespace postbearer::agent {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// What a destination asks a token to have left: Exchange's high-volume service refuses tokens in
/// their last ten minutes (501 5.5.127).
[[nodiscard]] seconds default_min_valid(std::string_view host) noexcept;

/// min_valid is never more than two thirds of a token's life, or no token would ever satisfy it.
[[nodiscard]] milliseconds capped_min_valid(milliseconds wished, milliseconds life) noexcept;

/// From the token's issue to the start of its renewal: the least of the provider's refresh_in, 70 %
/// of its life, and the greater of 30 % of it and life - largest capped min_valid - 60 s.
[[nodiscard]] milliseconds renewal_delay(milliseconds life, std::optional<seconds> refresh_in,
                                         milliseconds largest_capped_min_valid) noexcept;

/// A token whose renewal failed is still handed out to callers with a defaulted min_valid.
inline constexpr seconds kLastResort{10};

struct RetryPlan {
    milliseconds on_demand{};   // a caller's wish starts an attempt after this
    milliseconds background{};  // the agent itself tries again after this
};

/// `failures` counts this one (1 is the first); `jitter` is in [0, 1).
[[nodiscard]] RetryPlan plan_retry(const protocol::AgentFailure& failure, unsigned failures,
                                   bool token_expired, double jitter) noexcept;

/// The largest value of the last 24 hours, to the hour.
class DailyMaximum {
public:
    void note(milliseconds value, BootTime now) noexcept;
    [[nodiscard]] milliseconds largest(BootTime now) const noexcept;

private:
    struct Hour {
        std::int64_t number = -1;
        milliseconds largest{};
    };
    std::array<Hour, 25> hours_{};
};

}  // namespace postbearer::agent
