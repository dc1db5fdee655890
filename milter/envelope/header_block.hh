// SPDX-License-Identifier: Apache-2.0
#pragma once

// A header section as fields.

#include <string>
#include <string_view>
#include <vector>

namespace postbearer::milter {

struct HeaderField {
    std::string_view raw;    // with its folding and last line end
    std::string_view name;   // as written
    std::string_view value;  // after the colon, without the last line end

    /// `other` in any case.
    [[nodiscard]] bool is(std::string_view other) const;
};

/// NUL, CR without LF or LF without CR.
[[nodiscard]] bool has_stray_line_ends(std::string_view section);

/// `section` up to its empty line, in CRLF lines that every parser takes for the same fields: lines
/// that belong to no field, blank lines of folding and blanks before the colon are left out.
[[nodiscard]] std::string tidy_section(std::string_view section);

/// `tidy` comes from tidy_section(); the fields point into it.
[[nodiscard]] std::vector<HeaderField> split_fields(std::string_view tidy);

/// Without line ends of folding and outer blanks.
[[nodiscard]] std::string unfolded(std::string_view value);

}  // namespace postbearer::milter
