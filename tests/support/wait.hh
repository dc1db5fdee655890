// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <string>

namespace postbearer::test {

/// Generous: a loaded machine with two cores must not fail a test.
inline constexpr std::chrono::seconds kPatience{60};

using Condition = std::function<bool()>;

/// Polls `condition` until it holds; false when `patience` ran out first.
[[nodiscard]] bool holds_within(std::chrono::milliseconds patience, const Condition& condition);

/// As above, but fails the test: "waited 60 s for WHAT; DETAIL". `detail` tells the state then.
void wait_until(const std::string& what, const Condition& condition,
                std::chrono::milliseconds patience = kPatience,
                const std::function<std::string()>& detail = {});

/// Time since construction, for "no longer than".
class Stopwatch {
public:
    [[nodiscard]] std::chrono::milliseconds elapsed() const {
        return std::chrono::duration_cast<std::chrono::milliseconds>(
            std::chrono::steady_clock::now() - start_);
    }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace postbearer::test
