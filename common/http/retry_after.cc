// SPDX-License-Identifier: Apache-2.0
#include "common/http/retry_after.hh"

#include <curl/curl.h>

#include <algorithm>

#include "common/text.hh"

namespace postbearer::http {

std::optional<WallTime> parse_http_date(const std::string& text) {
    // curl_getdate also takes bare numbers and words; an HTTP date always has a day and a time.
    if (text.find(':') == std::string::npos || text.find('\0') != std::string::npos) {
        return std::nullopt;
    }
    const auto seconds = curl_getdate(text.c_str(), nullptr);
    if (seconds < 0) {
        return std::nullopt;
    }
    return WallTime(std::chrono::seconds(seconds));
}

std::optional<std::chrono::seconds> parse_retry_after(const std::string& text,
                                                      WallTime server_now) {
    using std::chrono::seconds;
    const std::string value(trimmed(text));
    if (value.empty()) {
        return std::nullopt;
    }
    const bool all_digits = value.find_first_not_of("0123456789") == std::string::npos;
    if (all_digits) {
        const auto count = static_cast<std::uint64_t>(kMaxRetryAfter.count());
        // No value means more digits than 64 bits hold, which is the absurd case as well.
        return seconds(
            static_cast<seconds::rep>(std::min(parse_decimal(value).value_or(count), count)));
    }
    const auto date = parse_http_date(value);
    if (!date) {
        return std::nullopt;
    }
    return std::clamp(*date - server_now, seconds(0), kMaxRetryAfter);
}

}  // namespace postbearer::http
