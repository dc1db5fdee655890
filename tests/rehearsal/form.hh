// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postbearer::rehearsal {

/// A decoded application/x-www-form-urlencoded body, judged strictly (WHATWG URL section 5,
/// RFC 6749 appendix B): `+` is a blank, every `%` needs two hex digits, and only characters that
/// an encoder leaves alone may stand bare. A client secret that was not encoded is caught here.
struct Form {
    std::map<std::string, std::string> values;
    std::vector<std::string> order;       // names as they came
    std::vector<std::string> duplicates;  // RFC 6749 section 3.2: none allowed
    std::string malformed;                // what broke the encoding; empty when all was well

    /// Empty and absent are the same (RFC 6749 section 3.2).
    [[nodiscard]] std::string get(const std::string& name) const;
    [[nodiscard]] bool has(const std::string& name) const { return !get(name).empty(); }
};

[[nodiscard]] Form parse_form(std::string_view body);

/// One encoded value; nothing when the encoding is broken.
[[nodiscard]] std::optional<std::string> form_decode(std::string_view text);

struct BasicCredentials {
    std::string user;
    std::string password;
};
/// `Authorization: Basic ...` of RFC 6749 section 2.3.1: both halves are form-encoded first.
[[nodiscard]] std::optional<BasicCredentials> parse_basic(std::string_view header);

}  // namespace postbearer::rehearsal
