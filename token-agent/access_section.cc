// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <unordered_set>
#include <utility>

#include "common/config/values.hh"
#include "token-agent/account_name.hh"
#include "token-agent/account_table.hh"
#include "token-agent/config_options.hh"
#include "token-agent/config_sections.hh"

namespace postbearer::agent {
namespace {

using config::Position;
using config::Table;
using config::Value;

constexpr std::pair<std::string_view, Resource> kResourceWords[] = {{"smtp", Resource::Smtp},
                                                                    {"imap", Resource::Imap},
                                                                    {"pop", Resource::Pop},
                                                                    {"graph", Resource::Graph}};
constexpr std::pair<std::string_view, Verb> kVerbWords[] = {{"token", Verb::Token},
                                                            {"rejected", Verb::Rejected}};

void read_user(const Value& value, AccessRule& rule, const ConfigHost& host) {
    const auto name = line_value(value);
    if (!name) {
        return;
    }
    rule.subject = "user " + *name;
    rule.uid = host.user_id(*name);
    if (!rule.uid) {
        value.warn("there is no user \"" + *name + "\" on this host, so the rule is inactive" +
                   (parse_decimal(*name) ? "; a number stands under uid" : ""));
    }
}

void read_group(const Value& value, AccessRule& rule, const ConfigHost& host) {
    const auto name = line_value(value);
    if (!name) {
        return;
    }
    rule.subject = "group " + *name;
    rule.gid = host.group_id(*name);
    if (!rule.gid) {
        value.warn("there is no group \"" + *name + "\" on this host, so the rule is inactive");
    }
}

void read_subject(const Table& table, AccessRule& rule, const ConfigHost& host) {
    const auto user = table.find("user");
    const auto uid = table.find("uid");
    const auto group = table.find("group");
    const int given = (user ? 1 : 0) + (uid ? 1 : 0) + (group ? 1 : 0);
    if (given != 1) {
        table.error("[[access]] needs exactly one of user, uid, group; found " +
                    std::string(given == 0 ? "none" : std::to_string(given)));
        return;
    }
    if (user) {
        read_user(*user, rule, host);
    } else if (group) {
        read_group(*group, rule, host);
    } else if (const auto number = uid->as_integer(0, std::numeric_limits<uid_t>::max() - 1)) {
        rule.uid = static_cast<uid_t>(*number);  // the highest one means "none" to the kernel
        rule.subject = "uid " + std::to_string(*number);
    }
}

/// Sets the flag of each word; an empty list could never match.
template <typename T, std::size_t N, std::size_t Flags>
void read_flags(const Value& value, const std::pair<std::string_view, T> (&words)[N],
                std::array<bool, Flags>& flags) {
    flags.fill(false);
    const auto list = value.as_string_list();
    for (const Value& element : list.value_or(std::vector<Value>())) {
        if (const auto word = choice_value(element, words)) {
            flags[static_cast<std::size_t>(*word)] = true;
        }
    }
    if (list && list->empty()) {
        value.error("is empty, so the rule can never match");
    }
}

void read_accounts(const Table& table, AccessRule& rule, std::vector<Position>& positions) {
    const auto value = table.find("accounts");
    if (!value) {
        table.error("[[access]] needs accounts");
        return;
    }
    const auto list = value->as_string_list();
    if (!list) {
        return;
    }
    if (list->empty()) {
        value->error("is empty, so the rule can never match");
    }
    rule.accounts.reserve(list->size());
    for (const Value& element : *list) {
        if (auto pattern = account_pattern(element)) {
            rule.accounts.push_back(std::move(*pattern));
            positions.push_back(element.position());
        }
    }
}

/// Which accounts can exist at all.
class Reachable {
public:
    explicit Reachable(const AgentConfig& config) : table_(config) {
        for (const AccountRule& rule : config.accounts) {
            all_ = all_ || rule.match == "*";
            domains_.insert(domain_pattern(rule.match));
            words_.push_back(rule.match);
        }
    }

    [[nodiscard]] bool contains(std::string_view pattern) const {
        if (all_ || pattern == "*") {
            return true;
        }
        return pattern.front() == '@' ? domains_.contains(pattern)
                                      : table_.find(pattern) != nullptr;
    }
    [[nodiscard]] std::string suggestion_for(std::string_view pattern) const {
        constexpr std::size_t kMaxWords = 1'000;  // the distance of each word costs microseconds
        return words_.size() > kMaxWords ? "" : config::suggestion(pattern, words_);
    }

private:
    AccountTable table_;
    bool all_ = false;
    std::unordered_set<std::string_view> domains_;
    std::vector<std::string_view> words_;
};

}  // namespace

void read_access(const Table& table, Loading& loading) {
    config::check_keys(table, all_options(), Section::Access, "[[access]]");
    AccessRule rule;
    std::vector<Position> positions;
    rule.where = source_position(table.position(), loading);
    read_subject(table, rule, loading.host);
    read_accounts(table, rule, positions);
    rule.resources[static_cast<std::size_t>(Resource::Smtp)] = true;
    if (const auto resources = table.find("resources")) {
        read_flags(*resources, kResourceWords, rule.resources);
    }
    if (const auto verbs = table.find("verbs")) {
        read_flags(*verbs, kVerbWords, rule.verbs);
    }
    loading.out.access.push_back(std::move(rule));
    loading.access_positions.push_back(std::move(positions));
}

void check_access(Loading& loading) {
    if (!loading.complete) {
        return;
    }
    if (loading.out.access.empty()) {
        loading.problems.warn({}, "no [[access]]: every request is denied");
        return;
    }
    const Reachable reachable(loading.out);
    for (std::size_t i = 0; i < loading.out.access.size(); ++i) {
        const auto& patterns = loading.out.access[i].accounts;
        for (std::size_t j = 0; j < patterns.size(); ++j) {
            if (!reachable.contains(patterns[j])) {
                loading.problems.error(loading.access_positions[i][j],
                                       "accounts: no [[account]] covers \"" + patterns[j] +
                                           "\", so this can never match" +
                                           reachable.suggestion_for(patterns[j]));
            }
        }
    }
}

}  // namespace postbearer::agent
