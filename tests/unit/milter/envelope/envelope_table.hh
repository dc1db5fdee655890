// SPDX-License-Identifier: Apache-2.0
#pragma once

// What becomes of a header, row by row. LF stands for CRLF in all texts.

#include <ostream>
#include <vector>

namespace postbearer::milter::test {

struct EnvelopeRow {
    const char* name;
    const char* section;     // without the empty line
    const char* recipients;  // with blanks between them
    /// The section that comes out, up to X-Postbearer-Id; or the refusal: "!554 5.6.0".
    const char* expected;
    const char* mail_from = "m@a.example";
    bool visible = true;
};
std::ostream& operator<<(std::ostream& out, const EnvelopeRow& row);

/// Of these the From and Message-ID fields, equal in all rows and kept as they are, are left out.
[[nodiscard]] std::vector<EnvelopeRow> recipient_rows();
/// The same, for headers that try to name somebody to Exchange and not to us.
[[nodiscard]] std::vector<EnvelopeRow> hostile_rows();
/// Whole sections.
[[nodiscard]] std::vector<EnvelopeRow> whole_rows();

}  // namespace postbearer::milter::test
