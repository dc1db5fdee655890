// SPDX-License-Identifier: Apache-2.0
#include "milter/routing/match.hh"

#include <algorithm>

#include "common/text.hh"
#include "milter/envelope/address.hh"

namespace postbearer::milter {
namespace {

bool needs_submission(Action action) noexcept {
    return action == Action::Graph || action == Action::Discard;
}

bool all_match(const AddressPatterns& patterns, const std::vector<std::string>& keys) {
    return !keys.empty() && std::all_of(keys.begin(), keys.end(), [&](const std::string& key) {
        return matches(patterns, key);
    });
}

}  // namespace

std::string key_of(std::string_view address) {
    return address_key(address).value_or(ascii_lower(address));
}

bool matches(const AddressPatterns& patterns, std::string_view key) {
    const std::size_t at = key.rfind('@');
    const std::string_view domain =
        at == std::string_view::npos ? std::string_view() : key.substr(at);
    return !key.empty() && std::any_of(patterns.begin(), patterns.end(), [&](const auto& pattern) {
        return pattern == "*" || pattern == key || (!domain.empty() && pattern == domain);
    });
}

MatchKeys match_keys(const MilterConfig& config, const MessageContext& message) {
    MatchKeys keys;
    keys.sender = message.mail_from.empty() ? std::string() : key_of(message.mail_from);
    keys.recipients.reserve(message.recipients.size());
    for (const std::string& recipient : message.recipients) {
        keys.recipients.push_back(key_of(recipient));
    }
    keys.sasl_user = ascii_lower(message.sasl_user);
    keys.submitted = message.via != Submission::Smtp || !keys.sasl_user.empty() ||
                     any_contains(config.trusted_clients, message.client);
    return keys;
}

bool matches_message(const Route& route, const MessageContext& message, const MatchKeys& keys) {
    if (!route.sender.empty() && !matches(route.sender, keys.sender)) {
        return false;
    }
    if (!route.from.empty() && !all_match(route.from, message.headers.from)) {
        return false;
    }
    if (!route.sasl_user.empty() &&
        (keys.sasl_user.empty() || !matches(route.sasl_user, keys.sasl_user))) {
        return false;
    }
    return route.client.empty() || any_contains(route.client, message.client);
}

std::vector<const Route*> routes_of(const MilterConfig& config, const MessageContext& message,
                                    const MatchKeys& keys) {
    std::vector<const Route*> candidates;
    for (const Route& route : config.routes) {
        if ((keys.submitted || !needs_submission(route.action)) &&
            matches_message(route, message, keys)) {
            candidates.push_back(&route);
        }
    }
    std::vector<const Route*> result;
    result.reserve(keys.recipients.size());
    for (const std::string& recipient : keys.recipients) {
        const auto found =
            std::find_if(candidates.begin(), candidates.end(), [&](const Route* route) {
                return route->recipient.empty() || matches(route->recipient, recipient);
            });
        result.push_back(found == candidates.end() ? nullptr : *found);
    }
    return result;
}

}  // namespace postbearer::milter
