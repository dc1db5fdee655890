// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "token-agent/config.hh"

namespace postbearer::agent {

/// The [[access]] rules: any one that fits allows, none that fits denies, root included. Points
/// into the AgentConfig, which must outlive it.
class AccessRules {
public:
    explicit AccessRules(const AgentConfig& config);

    /// `groups`: all groups of the peer, the primary one among them.
    [[nodiscard]] bool allows(uid_t uid, std::span<const gid_t> groups, Verb verb,
                              Resource resource, std::string_view account) const;
    /// Whether any rule names this user or one of the groups, for the connection limits.
    [[nodiscard]] bool knows_uid(uid_t uid, std::span<const gid_t> groups) const noexcept;

private:
    struct Rule {
        std::optional<uid_t> uid;
        std::optional<gid_t> gid;
        std::array<bool, 4> resources;
        std::array<bool, 2> verbs;
        bool all_accounts = false;
        std::vector<std::string_view> few_accounts;          // up to kFewAccounts, scanned
        std::unordered_set<std::string_view> many_accounts;  // else all of them

        [[nodiscard]] bool names_peer(uid_t peer, std::span<const gid_t> groups) const noexcept;
        [[nodiscard]] bool lists(std::string_view lower) const;
    };
    static constexpr std::size_t kFewAccounts = 8;

    [[nodiscard]] static Rule compile(const AccessRule& setting);

    std::vector<Rule> rules_;  // active ones only
};

}  // namespace postbearer::agent
