// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http_message.hh"

namespace postbearer::rehearsal {

struct MailAddress {
    std::string name;  // decoded, UTF-8
    std::string address;
};

/// All headers of one name, taken together.
struct AddressField {
    std::vector<MailAddress> addresses;  // members of groups included
    bool present = false;
    bool malformed = false;  // text that holds no address, or an address that is none
    bool group = false;
    bool empty_group = false;
};

/// What Exchange goes by: the top-level headers, read by GMime.
struct MimeFacts {
    bool readable = false;   // there is a header at all
    std::string message_id;  // with its angle brackets
    std::string subject;
    AddressField from, sender, to, cc, bcc, resent;
    HttpHeaders headers;          // raw values, unfolded and trimmed, in order
    std::size_t body_offset = 0;  // of the first byte after the empty line
};

/// Once, before anything is read.
void start_mime();
[[nodiscard]] MimeFacts read_mime(const std::string& bytes);
/// One header's addresses, as `read_mime` sees them.
void read_addresses(const std::string& text, AddressField& field);
[[nodiscard]] bool plausible_address(std::string_view address);

}  // namespace postbearer::rehearsal
