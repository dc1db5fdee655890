// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace postbearer::milter {

inline constexpr std::string_view kRouteHeader = "X-Postbearer-Route";
inline constexpr std::string_view kIdHeader = "X-Postbearer-Id";

/// What routing needs to know of a message's header section, however it came to us. Addresses are
/// address_key()s, in order of appearance, each once.
struct HeaderFacts {
    std::size_t from_fields = 0;
    std::vector<std::string> from;  // of all From fields
    bool from_doubtful = false;
    std::vector<std::string> recipients;  // To and Cc; a Bcc names nobody we believe
    bool recipients_doubtful = false;
    /// Names, as written, of fields that Graph drops and receivers miss: List-*, Auto-Submitted,
    /// Precedence and the like (graph.md 1). Resent-* are in `resent` instead.
    std::vector<std::string> fragile;
    bool resent = false;
    std::string message_id;  // with its angle brackets, unfolded; empty: none, or more than one
    std::size_t message_id_fields = 0;
    std::size_t received_fields = 0;
    std::size_t id_fields = 0;               // of kIdHeader: how often we have sent it already
    std::string topmost_received;            // value, unfolded; for the queue id
    std::vector<std::string> route_headers;  // values of kRouteHeader, unfolded
    bool eight_bit = false;                  // a byte above 0x7f in the header section
};

/// Takes the fields one by one, as a milter or a parser finds them.
class HeaderFactsCollector {
public:
    /// `value` as after the colon; folding by CRLF or LF; a leading blank does not matter.
    void add(std::string_view name, std::string_view value);
    [[nodiscard]] HeaderFacts finish() &&;

private:
    HeaderFacts facts_;
};

/// `section` holds CRLF lines; it ends at its empty line or its end. Lines that are no header field
/// (RFC 5322 2.2) and have none before them are skipped.
[[nodiscard]] HeaderFacts facts_of(std::string_view section);

/// The queue id in a topmost Received value of Postfix: "... (Postfix, from userid 0) id 4cQ7l..;"
/// or "... with ESMTPSA id 4cQ7l..". Empty: none.
[[nodiscard]] std::string queue_id_in_received(std::string_view received);

}  // namespace postbearer::milter
