// SPDX-License-Identifier: Apache-2.0
#include "token-agent/account_table.hh"

#include "common/text.hh"
#include "token-agent/account_name.hh"

namespace postbearer::agent {

std::string token_account(const AccountRule& rule, std::string_view account) {
    if (rule.grant == Grant::ClientCredentials) {
        return {};
    }
    return ascii_lower(rule.login.empty() ? account : std::string_view(rule.login));
}

AccountTable::AccountTable(const AgentConfig& config) {
    by_match_.reserve(config.accounts.size());
    for (const AccountRule& rule : config.accounts) {
        if (rule.match == "*") {
            for_all_ = &rule;
        } else {
            by_match_.emplace(rule.match, &rule);
        }
    }
}

const AccountRule* AccountTable::find(std::string_view account) const {
    return is_account_name(account) ? find_lower(LoweredName(account).view()) : nullptr;
}

const AccountRule* AccountTable::find_lower(std::string_view lower) const {
    if (const auto exact = by_match_.find(lower); exact != by_match_.end()) {
        return exact->second;
    }
    const std::string_view domain = domain_pattern(lower);
    if (const auto found = by_match_.find(domain); !domain.empty() && found != by_match_.end()) {
        return found->second;
    }
    return for_all_;
}

}  // namespace postbearer::agent
