// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Small encodings of our own: this program judges the product and shares none of its code.
namespace postbearer::rehearsal {

using WallTime = std::chrono::system_clock::time_point;

/// RFC 4648 section 4 (padded) and section 5 without padding.
[[nodiscard]] std::string base64(std::string_view bytes);
[[nodiscard]] std::string base64url(std::string_view bytes);
/// Strict: alphabet, padding, length and zero trailing bits are checked; nothing is skipped.
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);
[[nodiscard]] std::optional<std::string> decode_base64url(std::string_view text);

[[nodiscard]] std::string hex(std::string_view bytes);
/// 32 raw bytes.
[[nodiscard]] std::string sha256(std::string_view bytes);
/// First 8 hex digits of SHA-256, as the product's logs show a token.
[[nodiscard]] std::string fingerprint(std::string_view token);
[[nodiscard]] std::string random_bytes(std::size_t count);
/// Random, and derived from a name (the same name gives the same GUID).
[[nodiscard]] std::string guid();
[[nodiscard]] std::string guid_of(std::string_view name);
[[nodiscard]] bool is_guid(std::string_view text);

[[nodiscard]] std::int64_t unix_seconds(WallTime time);
[[nodiscard]] double unix_fraction(WallTime time);
/// RFC 9110 section 5.6.7, "Sat, 21 Nov 2026 04:43:24 GMT".
[[nodiscard]] std::string http_date(WallTime time);
/// As in Entra's error bodies: "2026-11-21 04:43:24Z".
[[nodiscard]] std::string entra_timestamp(WallTime time);

[[nodiscard]] bool iequals(std::string_view left, std::string_view right);
[[nodiscard]] std::string lower(std::string_view text);

}  // namespace postbearer::rehearsal
