// SPDX-License-Identifier: Apache-2.0
#pragma once

// To, Cc and Bcc of one send.

#include <string>
#include <string_view>
#include <vector>

#include "milter/envelope/header_block.hh"
#include "milter/envelope/header_editor.hh"
#include "milter/envelope/recipient_set.hh"

namespace postbearer::milter {

/// "NAME: mailbox, mailbox" with its last line end, folded at 76 bytes where there is a comma.
[[nodiscard]] std::string address_field(std::string_view name,
                                        const std::vector<std::string>& mailboxes);

/// What `fields`, all of the name `name` ("To" or "Cc"), become: one field that names members of
/// `recipients` only, or nothing. Marks those members visible; adds to `result`.
[[nodiscard]] std::string visible_field(std::string_view name,
                                        const std::vector<HeaderField>& fields,
                                        RecipientSet& recipients, EditedHeader& result);

/// Who is not visible. Empty: nobody.
[[nodiscard]] std::string hidden_field(const RecipientSet& recipients, EditedHeader& result);

}  // namespace postbearer::milter
