// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postbearer::milter {

enum class PathProblem : std::uint8_t { None, Syntax, NotAscii, TooLong };

/// A path of RFC 5321 section 4.1.2 at the front of some text.
struct MailPath {
    PathProblem problem = PathProblem::None;
    std::string address;     // as given, quotes included, without brackets and source route
    std::size_t length = 0;  // of the path with its brackets
    bool ascii = true;
};

/// Whether `path` may be empty (MAIL) or `postmaster` without a domain (RCPT) is the caller's word.
struct PathRules {
    bool empty = false;
    bool postmaster = false;
};

/// Reads `<...>`. Address literals and UTF-8 are taken (see `ascii`); control characters, malformed
/// UTF-8, empty labels and addresses longer than kMaxAddressBytes are not. Never NotAscii: the
/// caller knows whether SMTPUTF8 was given.
[[nodiscard]] MailPath read_path(std::string_view text, PathRules rules);

}  // namespace postbearer::milter
