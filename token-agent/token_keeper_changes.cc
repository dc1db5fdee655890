// SPDX-License-Identifier: Apache-2.0
// TokenKeeper: what a new configuration or a login changes, and what there is now.
#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "token-agent/credential_changes.hh"
#include "token-agent/providers.hh"
#include "token-agent/token_failure.hh"
#include "token-agent/token_keeper.hh"

namespace postbearer::agent {
namespace {

using protocol::FailureCode;

constexpr std::size_t kResourceCount = std::size(protocol::kResources);

}  // namespace

void TokenKeeper::account_changed(std::string_view provider_name, std::string_view account) {
    const BootTime now = services_.clock.boot();
    for (auto& [key, entry] : entries_) {
        if (key.account.empty() || key.provider != provider_name || key.account != account) {
            continue;
        }
        entry.token.reset();
        entry.set_aside = false;
        entry.failures = 0;
        entry.last_failure.reset();
        entry.attempt_after = now;
        entry.generation = next_id_++;  // what is under way belongs to the login before
        entry.in_flight = false;
        entry.asked_before = false;  // a login leaves its first token in the store
        if (!entry.waiters.empty()) {
            start(entry);
        } else {
            services_.scheduler.cancel(entry.timer);
            entry.timer = 0;
        }
    }
}

void TokenKeeper::reload(std::shared_ptr<const AgentConfig> config) {
    const std::shared_ptr<const AgentConfig> old = std::exchange(config_, std::move(config));
    slots_.assign(config_->providers.size() * kResourceCount, nullptr);
    std::map<std::string_view, std::uint32_t> by_name;
    for (std::uint32_t i = 0; i < config_->providers.size(); ++i) {
        by_name.emplace(config_->providers[i].name, i);
    }
    std::vector<Done> orphans;
    for (auto it = entries_.begin(); it != entries_.end();) {
        Entry& entry = it->second;
        const auto provider = by_name.find(entry.provider_name);
        if (provider != by_name.end() &&
            token_identity(config_->providers[provider->second], entry.owner.resource,
                           entry.owner.grant) == entry.identity) {
            adopt(entry, old->providers[entry.owner.provider], provider->second);
            ++it;
            continue;
        }
        services_.scheduler.cancel(entry.timer);
        for (Waiter& waiter : entry.waiters) {
            services_.scheduler.cancel(waiter.timer);
            orphans.push_back(std::move(waiter.done));
        }
        it = entries_.erase(it);
    }
    for (const Done& done : orphans) {
        done(tl::unexpected(passing_failure(
            FailureCode::ProviderError, "the agent's configuration was just changed; ask again")));
    }
}

void TokenKeeper::adopt(Entry& entry, const ProviderConfig& old, std::uint32_t provider) {
    entry.owner.provider = provider;
    if (entry.owner.account.empty()) {
        slots_[provider * kResourceCount + static_cast<std::size_t>(entry.owner.resource)] = &entry;
    }
    const bool had_failed = std::exchange(entry.failures, 0) > 0;
    entry.last_failure.reset();
    entry.attempt_after = services_.clock.boot();
    // What is under way with credentials that were replaced would only fail again.
    const bool asked_in_vain =
        entry.in_flight && !same_credentials(old, config_->providers[provider]);
    if (asked_in_vain) {
        entry.generation = next_id_++;
        entry.in_flight = false;
    }
    if (!entry.in_flight && (asked_in_vain || had_failed || !entry.waiters.empty())) {
        start(entry);
    }
}

std::vector<TokenStatus> TokenKeeper::status() const {
    std::vector<TokenStatus> result;
    result.reserve(entries_.size());
    for (const auto& [key, entry] : entries_) {
        result.push_back(status_of(entry));
    }
    return result;
}

std::vector<TokenStatus> TokenKeeper::status_of(std::string_view provider_name,
                                                std::string_view account) const {
    std::vector<TokenStatus> result;
    const KeyView first{provider_name, account, Grant::ClientCredentials, Resource::Smtp};
    for (auto it = entries_.lower_bound(first);
         it != entries_.end() && it->first.provider == provider_name &&
         it->first.account == account;
         ++it) {
        result.push_back(status_of(it->second));
    }
    return result;
}

TokenStatus TokenKeeper::status_of(const Entry& entry) const {
    const BootTime now = services_.clock.boot();
    TokenStatus status;
    status.provider = entry.provider_name;
    status.grant = entry.owner.grant;
    status.account = entry.owner.account;
    status.resource = entry.owner.resource;
    if (entry.token && entry.token->expires_boot() > now) {
        const HandOut current = hand_out(entry);
        status.fingerprint = entry.token->fingerprint;
        status.left = current.left;
        status.expires_at = current.expires_at;
        status.renews_in = std::max(entry.renew_at - now, milliseconds(0));
    }
    status.renewing = entry.in_flight;
    status.set_aside = entry.set_aside;
    status.failures = entry.failures;
    status.last_failure = entry.last_failure;
    status.retry_in = std::max(entry.attempt_after - now, milliseconds(0));
    return status;
}

}  // namespace postbearer::agent
