// SPDX-License-Identifier: Apache-2.0
#pragma once

// Command lines of LMTP (RFC 2033, 5321, 6531, 1870, 6152, Postfix's XFORWARD_README), one at a
// time, without their line end. What cannot be taken comes back as the reply to send.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "milter/lmtp/transaction.hh"

namespace postbearer::milter {

enum class LmtpVerb : std::uint8_t {
    Lhlo,
    Mail,
    Rcpt,
    Data,
    Rset,
    Noop,
    Quit,
    Vrfy,
    Xforward,
    Helo,  // EHLO too
    Unknown
};

struct LmtpCommand {
    LmtpVerb verb = LmtpVerb::Unknown;
    std::string_view argument;  // into the line, without blanks around it
};

template <typename T>
using Parsed = tl::expected<T, LmtpReply>;

struct MailCommand {
    std::string address;  // empty: the null sender
    std::optional<std::uint64_t> size;
    bool eight_bit_mime = false;
    bool smtputf8 = false;
};

/// Refuses empty lines, control characters and unknown verbs.
[[nodiscard]] Parsed<LmtpCommand> parse_command(std::string_view line);

[[nodiscard]] Parsed<MailCommand> parse_mail(std::string_view argument);

/// The address, without brackets. `smtputf8`: MAIL had the parameter.
[[nodiscard]] Parsed<std::string> parse_rcpt(std::string_view argument, bool smtputf8);

/// `known` with the attributes of this command; or none of them.
[[nodiscard]] Parsed<Forwarded> parse_xforward(std::string_view argument, Forwarded known);

}  // namespace postbearer::milter
