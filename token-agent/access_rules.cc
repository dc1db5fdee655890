// SPDX-License-Identifier: Apache-2.0
#include "token-agent/access_rules.hh"

#include <algorithm>
#include <utility>

#include "token-agent/account_name.hh"

namespace postbearer::agent {

bool AccessRules::Rule::names_peer(uid_t peer, std::span<const gid_t> groups) const noexcept {
    if (uid) {
        return *uid == peer;
    }
    return std::find(groups.begin(), groups.end(), *gid) != groups.end();
}

bool AccessRules::Rule::lists(std::string_view lower) const {
    if (!many_accounts.empty()) {
        return many_accounts.contains(lower);
    }
    return std::find(few_accounts.begin(), few_accounts.end(), lower) != few_accounts.end();
}

AccessRules::Rule AccessRules::compile(const AccessRule& setting) {
    Rule rule{};
    rule.uid = setting.uid;
    rule.gid = setting.gid;
    rule.resources = setting.resources;
    rule.verbs = setting.verbs;
    rule.all_accounts =
        std::find(setting.accounts.begin(), setting.accounts.end(), "*") != setting.accounts.end();
    if (rule.all_accounts) {
        return rule;
    }
    if (setting.accounts.size() > kFewAccounts) {
        rule.many_accounts.insert(setting.accounts.begin(), setting.accounts.end());
    } else {
        rule.few_accounts.assign(setting.accounts.begin(), setting.accounts.end());
    }
    return rule;
}

AccessRules::AccessRules(const AgentConfig& config) {
    for (const AccessRule& setting : config.access) {
        if (setting.uid || setting.gid) {  // else its user or group does not exist here
            rules_.push_back(compile(setting));
        }
    }
}

bool AccessRules::allows(uid_t uid, std::span<const gid_t> groups, Verb verb, Resource resource,
                         std::string_view account) const {
    if (!is_account_name(account)) {
        return false;
    }
    const LoweredName name(account);
    const std::string_view domain = domain_pattern(name.view());
    return std::any_of(rules_.begin(), rules_.end(), [&](const Rule& rule) {
        return rule.verbs[static_cast<std::size_t>(verb)] &&
               rule.resources[static_cast<std::size_t>(resource)] && rule.names_peer(uid, groups) &&
               (rule.all_accounts || rule.lists(name.view()) ||
                (!domain.empty() && rule.lists(domain)));
    });
}

bool AccessRules::knows_uid(uid_t uid, std::span<const gid_t> groups) const noexcept {
    return std::any_of(rules_.begin(), rules_.end(),
                       [&](const Rule& rule) { return rule.names_peer(uid, groups); });
}

}  // namespace postbearer::agent
