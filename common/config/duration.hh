// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace postbearer::config {

/// A whole number and one unit: "30s", "5m", "2h", "1d", "2w". nullopt: anything else, or more
/// than a hundred years.
[[nodiscard]] std::optional<std::chrono::seconds> parse_duration(std::string_view text) noexcept;

/// In the largest unit that fits without a remainder: 90 s is "90s", 3600 s is "1h".
[[nodiscard]] std::string duration_text(std::chrono::seconds duration);

}  // namespace postbearer::config
