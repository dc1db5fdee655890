// SPDX-License-Identifier: Apache-2.0
#pragma once

// What Graph gets instead of an envelope: a header section that names the recipients of one send,
// and nobody else (graph.md 7.2). A pure function.

#include <cstddef>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace postbearer::milter {

struct HeaderEdit {
    /// CRLF lines up to and including the empty line; a section without one gets it.
    std::string_view section;
    /// Who gets this send, as the LMTP client gave them: addr-specs without brackets, at least one.
    std::vector<std::string> recipients;
    std::string mailbox;    // the Graph mailbox; an address or an object id
    std::string mail_from;  // without brackets; empty: the null sender
    std::string id;         // goes into X-Postbearer-Id as "ID/BATCH"
    std::size_t batch = 1;
    /// False for the second and later batches: To and Cc are left out, everybody is in Bcc.
    bool visible = true;
    /// Used if there is no Message-ID (with brackets).
    std::string fallback_message_id;
};

struct EditedHeader {
    std::string bytes;                 // CRLF lines and the empty line
    std::size_t visible = 0;           // recipients in To and Cc
    std::size_t hidden = 0;            // recipients in Bcc
    std::vector<std::string> trimmed;  // addresses that were cut out of To and Cc
    std::vector<std::string> removed;  // names of fields taken out whole
    bool rewritten = false;            // To or Cc were written anew, not only passed on
};

/// Why a message cannot be sent at all: an SMTP answer.
struct HeaderRefusal {
    int code = 554;
    std::string enhanced;  // "5.6.0"
    std::string text;      // cause and fix
};

/// The output names exactly `recipients` in To, Cc and Bcc together; whatever was not edited is the
/// same bytes. Refused: several From fields or addresses, no From with a null sender, a loop (more
/// than 25 Received fields or our own id too often), bare CR or LF or NUL in the section.
[[nodiscard]] tl::expected<EditedHeader, HeaderRefusal> edit_header(const HeaderEdit& edit);

}  // namespace postbearer::milter
