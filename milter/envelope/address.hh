// SPDX-License-Identifier: Apache-2.0
#pragma once

// RFC 5322 addresses in header fields, read for one purpose: to know who would get mail.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postbearer::milter {

/// What two spellings of one mailbox have in common: ASCII lower case (Exchange tells no local
/// parts apart by case), the domain as A-labels, quotes that the local part does not need removed.
/// nullopt: `addr_spec` is no addr-spec (RFC 5321 4.1.2, RFC 6531).
[[nodiscard]] std::optional<std::string> address_key(std::string_view addr_spec);

/// One mailbox of an address list.
struct ParsedAddress {
    std::string key;        // address_key(), or lower case where that finds no addr-spec
    std::string addr_spec;  // as written, without comments and folding
    std::string_view text;  // the whole mailbox as written: display name, comments, folding
    bool in_group = false;
    /// `text` may be passed on. False: the mailbox is certain, but another parser may find a
    /// second one in its display name or comments, or the text is no plain UTF-8.
    bool clean = false;
    bool at_in_name = false;  // '@' in display name or comments, also within encoded words
};

struct AddressList {
    std::vector<ParsedAddress> addresses;
    bool has_group = false;
    /// Something was not RFC 5322 (obsolete syntax counts): the text must not be passed on as it
    /// is, because another parser may find other addresses in it. Only a period or an '@' in the
    /// display name before an angle address is no doubt; the latter is not `clean`.
    bool doubtful = false;
};

/// `value` is a header value with its folding (CRLF or LF before the blank) and comments. Views
/// point into it. Never fails: what cannot be read makes the list doubtful.
[[nodiscard]] AddressList parse_address_list(std::string_view value);

}  // namespace postbearer::milter
