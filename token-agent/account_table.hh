// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "token-agent/config.hh"

namespace postbearer::agent {

/// Whose tokens an account gets by its rule, in lower case: nobody's in particular (empty) for
/// those of the application itself, else the login of the rule or the account.
[[nodiscard]] std::string token_account(const AccountRule& rule, std::string_view account);

/// Finds the rule for an account: its exact address, then `@domain` (no sub-domains), then `*`,
/// without regard to ASCII case. Points into the AgentConfig, which must outlive it.
class AccountTable {
public:
    explicit AccountTable(const AgentConfig& config);

    /// nullptr: no rule. A pattern ("@domain", "*") is not an account. Usual lengths cost no
    /// allocation.
    [[nodiscard]] const AccountRule* find(std::string_view account) const;

private:
    [[nodiscard]] const AccountRule* find_lower(std::string_view lower) const;

    std::unordered_map<std::string_view, const AccountRule*> by_match_;
    const AccountRule* for_all_ = nullptr;
};

}  // namespace postbearer::agent
