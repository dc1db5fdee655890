// SPDX-License-Identifier: Apache-2.0
#pragma once

// Counting at the three ends of a GraphChain, and the messages that its tests send.

#include <map>
#include <string>
#include <vector>

#include "tests/support/graph_chain.hh"

namespace postbearer::test {

inline constexpr const char* kApp = "app@contoso.test";
inline constexpr const char* kAlice = "alice@example.test";
inline constexpr const char* kBob = "bob@example.test";

/// Recipient to copies.
using Copies = std::map<std::string, std::size_t>;

struct Ends {
    Copies graph{};
    Copies relayed{};
    Copies kept{};
};

/// Waits until nothing is on its way; then each recipient has as many copies at each end as `ends`
/// says, and nobody else has any.
void check_ends(GraphChain& chain, const Ends& ends);

/// Deliveries that Graph made, by recipient.
[[nodiscard]] Copies graph_copies(const Rehearsal& rehearsal);

/// prepare() has been called and something changed since.
void start_prepared(GraphChain& chain);

/// The lines of the milter's log, whole, that match.
[[nodiscard]] std::string only_line(const LogWatch& log, const std::string& pattern);

/// Value of `key` in a line of key=value; quotes taken off.
[[nodiscard]] std::string value_of(const std::string& line, const std::string& key);

/// The last message that Graph took, as it was submitted.
[[nodiscard]] std::string last_raw(const Rehearsal& rehearsal);
/// What follows the first empty line, CRLF lines.
[[nodiscard]] std::string body_of(const std::string& raw);
/// Every line end as CRLF.
[[nodiscard]] std::string with_crlf(const std::string& text);

}  // namespace postbearer::test
