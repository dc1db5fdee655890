// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "common/clock.hh"

namespace postbearer::http {

/// Longest Retry-After that is passed on; callers have lower caps of their own.
inline constexpr std::chrono::seconds kMaxRetryAfter{366L * 24 * 3600};

/// RFC 9110 section 5.6.7, all three date forms.
[[nodiscard]] std::optional<WallTime> parse_http_date(const std::string& text);

/// RFC 9110 section 10.2.3: seconds or a date. `server_now` is the answer's own Date where it has
/// one, so that a wrong clock on either side cancels out. The past gives 0, the absurd
/// kMaxRetryAfter, rubbish nothing.
[[nodiscard]] std::optional<std::chrono::seconds> parse_retry_after(const std::string& text,
                                                                    WallTime server_now);

}  // namespace postbearer::http
