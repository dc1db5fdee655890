// SPDX-License-Identifier: Apache-2.0
#pragma once

// JSON documents of the admin socket, built from plain values (postbearer(1), JSON OUTPUT).

#include <json/value.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/secret.hh"
#include "token-agent/config.hh"
#include "token-agent/token_keeper.hh"

namespace postbearer::agent {

[[nodiscard]] std::string_view name_of(Grant grant) noexcept;

/// configured (no token asked for yet), active, refreshing, degraded (renewal fails, token good),
/// stale (no good token, temporary cause), needs_user, needs_admin.
[[nodiscard]] std::string_view state_of(const TokenStatus& status) noexcept;

[[nodiscard]] Json::Value token_json(const TokenStatus& status);
[[nodiscard]] Json::Value failure_json(const FetchFailure& failure);

/// What the store has of a login. Without logged_in_at: nobody has logged in, or it cannot be told.
struct LoginNote {
    std::optional<WallTime> logged_in_at;
    WallTime used_at;
    std::string user;
    std::uint64_t generation = 0;
    std::string trouble;  // why the record cannot be used
};

/// One row of `status`: a rule with the tokens that serve it. `shown_as` is the address asked for,
/// or the rule's own match.
[[nodiscard]] Json::Value account_json(const AgentConfig& config, const AccountRule& rule,
                                       std::string_view shown_as,
                                       const std::vector<TokenStatus>& tokens,
                                       const std::optional<LoginNote>& login);

/// What a JWT says of itself, for diagnosis only: our logic never depends on it. Opaque tokens give
/// {"type":"opaque"}.
[[nodiscard]] Json::Value claims_json(const Secret& token);

[[nodiscard]] Json::Value document(std::string_view kind);
[[nodiscard]] std::string compact(const Json::Value& value);

}  // namespace postbearer::agent
