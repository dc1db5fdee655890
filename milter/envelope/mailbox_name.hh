// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace postbearer::milter {

/// Whether `mailbox` may stand in a URL of Graph, a header and a log: the shape of an address (one
/// local part, one domain, ASCII, no quotes or blanks) or an object id (GUID).
[[nodiscard]] bool is_mailbox_name(std::string_view mailbox) noexcept;

/// RFC 3986 section 2.1: all but the unreserved characters.
[[nodiscard]] std::string percent_encoded(std::string_view text);

}  // namespace postbearer::milter
