// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a [[route]] is compared with: keys instead of text, made once for a message.

#include <string>
#include <vector>

#include "milter/routing/router.hh"

namespace postbearer::milter {

struct MatchKeys {
    std::string sender;                   // address_key of MAIL FROM; empty: null or none
    std::vector<std::string> recipients;  // the same for each recipient, in order
    std::string sasl_user;                // lower case
    bool submitted = false;               // may go to Graph at all (design 4.6)
};

[[nodiscard]] MatchKeys match_keys(const MilterConfig& config, const MessageContext& message);

/// address_key(), or the lower-case bytes of what is no addr-spec.
[[nodiscard]] std::string key_of(std::string_view address);

/// Exact, `@domain` or `*`. An empty key matches nothing.
[[nodiscard]] bool matches(const AddressPatterns& patterns, std::string_view key);

/// Every condition but `recipient` and the submission.
[[nodiscard]] bool matches_message(const Route& route, const MessageContext& message,
                                   const MatchKeys& keys);

/// The first route for each recipient; nullptr: none.
[[nodiscard]] std::vector<const Route*> routes_of(const MilterConfig& config,
                                                  const MessageContext& message,
                                                  const MatchKeys& keys);

}  // namespace postbearer::milter
