// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "milter/lmtp/transaction.hh"

namespace postbearer::milter {

constexpr std::size_t kMaxReplyLineBytes = 512;  // RFC 5321 section 4.5.3.1.5, with CRLF
constexpr std::size_t kMaxReplyTextBytes = 2000;

/// Appends `reply` as one or more lines. The text becomes printable, is cut to kMaxReplyTextBytes
/// and wrapped between words; without `utf8` other than ASCII becomes '?' (RFC 6531 section 3.7.4).
/// A code outside 2xx to 5xx becomes 451; an enhanced code that does not fit it X.0.0; an empty one
/// is left out.
void append_reply(std::string& out, const LmtpReply& reply, bool utf8 = false);

}  // namespace postbearer::milter
