// SPDX-License-Identifier: Apache-2.0
#include "token-agent/stored_tokens.hh"

#include <utility>

#include "token-agent/providers.hh"
#include "token-agent/renewal_policy.hh"

namespace postbearer::agent {
namespace {

using namespace std::chrono_literals;

RecordName record_name(const FetchWish& wish) {
    const ProviderConfig& provider = wish.config->providers.at(wish.provider);
    return {provider.name, wish.account, provider.client_id};
}

/// By the wall clock, which is all that outlives a restart. Before its issue: the clock has jumped.
std::optional<seconds> age_of(const StoredAccess& access, WallTime now) {
    const seconds age = now - access.issued_at;
    if (age < 0s || age >= access.life) {
        return std::nullopt;
    }
    return age;
}

/// Young enough that a renewal would not be due, whatever min_valid callers use.
bool is_young(const StoredAccess& access, seconds age) {
    return age < renewal_delay(access.life, access.refresh_in, milliseconds(0)) / 2 &&
           access.life - age > 660s;
}

FetchedToken restored(StoredAccess& access, seconds age) {
    FetchedToken token;
    token.access_token = std::move(access.token);
    token.token_type = std::move(access.token_type);
    token.expires_in = access.life;
    token.refresh_in = access.refresh_in;
    token.age = std::max(age, 1s);  // so that it is told from a new one
    return token;
}

}  // namespace

StoredTokens::StoredTokens(const Services& services)
    : services_(services), alive_(std::make_shared<bool>(true)) {}

StoredTokens::~StoredTokens() { *alive_ = false; }

void StoredTokens::fetch(FetchWish wish, Done done) {
    if (!wish.config->store_access_tokens || !wish.may_restore) {
        ask(std::move(wish), nullptr, std::move(done));
        return;
    }
    auto look_up = [name = record_name(wish), resource = wish.resource](TokenStore& store) {
        return store.find_access(name, resource);
    };
    ask_store<std::optional<StoredAccess>>(
        services_.store, std::move(look_up),
        [this, alive = alive_, wish = std::move(wish),
         done = std::move(done)](Result<std::optional<StoredAccess>> stored) mutable {
            if (*alive) {
                found(std::move(wish), std::move(stored), std::move(done));
            }
        });
}

/// A store that cannot be read costs nothing but a request.
void StoredTokens::found(FetchWish wish, Result<std::optional<StoredAccess>> stored, Done done) {
    std::shared_ptr<StoredAccess> access;
    const ProviderConfig& provider = wish.config->providers.at(wish.provider);
    if (stored && *stored &&
        (*stored)->scope == token_identity(provider, wish.resource, wish.grant)) {
        access = std::make_shared<StoredAccess>(std::move(**stored));
    }
    const auto age = access ? age_of(*access, services_.clock.wall()) : std::nullopt;
    if (age && is_young(*access, *age)) {
        done(restored(*access, *age));
        return;
    }
    ask(std::move(wish), age ? std::move(access) : nullptr, std::move(done));
}

void StoredTokens::ask(FetchWish wish, std::shared_ptr<StoredAccess> fallback, Done done) {
    const WallTime asked_at = services_.clock.wall();
    FetchWish copy = wish;
    services_.inner.fetch(std::move(wish), [this, alive = alive_, wish = std::move(copy), asked_at,
                                            fallback = std::move(fallback),
                                            done = std::move(done)](FetchResult result) {
        if (!*alive) {
            return;
        }
        if (result) {
            keep(wish, *result, asked_at);
        } else if (fallback &&
                   result.error().answer.failure_class == protocol::FailureClass::Transient) {
            const auto age = age_of(*fallback, services_.clock.wall());
            if (age && fallback->life - *age > kLastResort) {
                services_.log.write(
                    LogLine(LogLevel::Warning, "token_from_store")
                        .add_if("account", wish.account)
                        .add("provider", wish.config->providers.at(wish.provider).name)
                        .add("resource", name_of(wish.resource))
                        .add("message", result.error().answer.message)
                        .add("action", "the token from before the restart is used meanwhile"));
                result = restored(*fallback, *age);
            }
        }
        done(std::move(result));
    });
}

/// Of a login it is written together with the refresh token, in one transaction.
void StoredTokens::keep(const FetchWish& wish, const FetchedToken& token, WallTime asked_at) {
    if (!wish.config->store_access_tokens || wish.grant == Grant::Delegated) {
        return;
    }
    auto access = std::make_shared<StoredAccess>();
    access->token = token.access_token.clone();
    access->token_type = token.token_type;
    access->issued_at = asked_at;
    access->life = token.expires_in;
    access->refresh_in = token.refresh_in;
    access->scope =
        token_identity(wish.config->providers.at(wish.provider), wish.resource, wish.grant);
    services_.store.post(
        [name = record_name(wish), resource = wish.resource, access](TokenStore& store) {
            (void)store.put_access(name, resource, *access);  // worth a request at the next start
        },
        [] {});
}

void StoredTokens::refused(const FetchWish& wish) {
    services_.store.post([name = record_name(wish), resource = wish.resource](
                             TokenStore& store) { (void)store.drop_access(name, resource); },
                         [] {});
    services_.inner.refused(wish);
}

}  // namespace postbearer::agent
