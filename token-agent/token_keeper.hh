// SPDX-License-Identifier: Apache-2.0
#pragma once

// Keeps one access token per (provider, resource) for the application itself, however many
// mailboxes it serves, and one per (provider, login, resource) for logins and service accounts:
// hands it out, renews it ahead of need, and lets any number of callers wait for one request
// (single flight). It knows no sockets and no HTTP; time comes from Clock and Scheduler.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "common/clock.hh"
#include "common/log.hh"
#include "common/scheduler.hh"
#include "token-agent/config.hh"
#include "token-agent/issued_token.hh"
#include "token-agent/renewal_policy.hh"
#include "token-agent/token_source.hh"

namespace postbearer::agent {

/// Whose token: what one access token belongs to.
struct TokenOwner {
    std::uint32_t provider = 0;  // index into the current AgentConfig
    Grant grant = Grant::ClientCredentials;
    std::string account;  // lower case; empty for client_credentials: the application's own
    Resource resource = Resource::Smtp;
};

struct TokenWish : TokenOwner {
    seconds min_valid{300};
    bool min_valid_explicit = false;
    milliseconds wait = protocol::kDefaultWait;
};

struct HandOut {
    std::shared_ptr<const IssuedToken> token;
    milliseconds left{};
    WallTime expires_at;
};

using KeeperAnswer = tl::expected<HandOut, FetchFailure>;

/// For `postbearer status`: everything but the token.
struct TokenStatus {
    std::string provider;
    Grant grant = Grant::ClientCredentials;
    std::string account;  // empty: the application's own
    Resource resource = Resource::Smtp;
    std::string fingerprint;  // empty: no token
    milliseconds left{};
    std::optional<WallTime> expires_at;
    milliseconds renews_in{};
    bool renewing = false;
    bool set_aside = false;  // a server refused it and its successor is awaited
    unsigned failures = 0;
    std::optional<FetchFailure> last_failure;
    milliseconds retry_in{};
};

class TokenKeeper {
public:
    struct Services {
        const Clock& clock;
        Scheduler& scheduler;
        TokenSource& source;
        Log& log;
        std::function<double()> jitter;  // [0, 1)
    };

    TokenKeeper(Services services, std::shared_ptr<const AgentConfig> config);
    ~TokenKeeper();
    TokenKeeper(const TokenKeeper&) = delete;
    TokenKeeper& operator=(const TokenKeeper&) = delete;
    TokenKeeper(TokenKeeper&&) = delete;
    TokenKeeper& operator=(TokenKeeper&&) = delete;

    using Done = std::function<void(KeeperAnswer)>;

    /// Calls `done` once: inside this call if a token is at hand or waiting is of no use, else when
    /// the renewal ends or `wish.wait` has passed.
    void get(const TokenWish& wish, Done done);
    /// The first half of get(): the token if one is at hand, and its renewal started if it is due.
    [[nodiscard]] std::optional<HandOut> take(const TokenWish& wish);

    /// The token with this fingerprint was refused by a server.
    [[nodiscard]] protocol::RejectedAction rejected(const TokenOwner& owner,
                                                    std::string_view fingerprint);

    /// An operator's "now": ignores back-off, joins a request that is under way.
    void refresh(const TokenOwner& owner, Done done);

    /// A login, a logout or an import has changed what stands behind this account's tokens: they
    /// and their failures are forgotten. Who waits for one gets the new.
    void account_changed(std::string_view provider_name, std::string_view account);

    /// Tokens of providers whose identity is unchanged survive; their failures are forgotten, as
    /// the change may be the cure. Late answers to requests of dropped ones are ignored.
    void reload(std::shared_ptr<const AgentConfig> config);

    [[nodiscard]] std::vector<TokenStatus> status() const;
    /// Of one account's entries only, or of one provider's application if `account` is empty.
    [[nodiscard]] std::vector<TokenStatus> status_of(std::string_view provider_name,
                                                     std::string_view account) const;

private:
    struct Waiter {
        std::uint64_t id = 0;
        TokenWish wish;
        Scheduler::Id timer = 0;
        bool refresh_only = false;  // wants the outcome of a request, not just any good token
        Done done;
    };

    struct Entry {
        std::string provider_name;
        std::string identity;  // what a token depends on; a change drops it
        TokenOwner owner;
        std::shared_ptr<const IssuedToken> token;
        bool set_aside = false;
        bool asked_before = false;     // so what a store may have is known
        bool in_flight = false;        // asked for, or queued behind provider_concurrency
        std::uint64_t generation = 0;  // answers to requests of an older one are dropped
        BootTime asked_at;             // when the request under way was sent
        BootTime renew_at;
        BootTime attempt_after;  // on-demand attempts are held back until then
        unsigned failures = 0;
        std::optional<FetchFailure> last_failure;
        DailyMaximum min_valid;
        BootTime last_used;
        std::optional<BootTime> last_rejected;
        Scheduler::Id timer = 0;
        std::vector<Waiter> waiters;
    };

    struct Key {
        std::string provider;
        std::string account;
        Grant grant = Grant::ClientCredentials;
        Resource resource = Resource::Smtp;
    };
    struct KeyView {
        std::string_view provider;
        std::string_view account;
        Grant grant;
        Resource resource;
    };
    struct KeyLess {
        using is_transparent = void;
        static KeyView view_of(const Key& key) {
            return {key.provider, key.account, key.grant, key.resource};
        }
        static KeyView view_of(const KeyView& key) { return key; }
        template <typename A, typename B>
        bool operator()(const A& left, const B& right) const {
            const KeyView a = view_of(left);
            const KeyView b = view_of(right);
            return std::tie(a.provider, a.account, a.grant, a.resource) <
                   std::tie(b.provider, b.account, b.grant, b.resource);
        }
    };
    struct Lane {  // requests of one provider
        std::size_t under_way = 0;
        std::deque<std::pair<Key, std::uint64_t>> queue;  // with the generation that asked
    };

    static Key key_of(const Entry& entry) {
        return {entry.provider_name, entry.owner.account, entry.owner.grant, entry.owner.resource};
    }
    using Entries = std::map<Key, Entry, KeyLess>;
    Entries::iterator find_entry(const TokenOwner& owner);
    Entry& entry_for(const TokenOwner& owner);
    Entry& make_entry(const TokenOwner& owner);
    [[nodiscard]] FetchWish fetch_wish(const Entry& entry) const;
    [[nodiscard]] TokenStatus status_of(const Entry& entry) const;
    void drop_if_spent(const Key& key);
    [[nodiscard]] bool may_attempt(const Entry& entry) const;
    [[nodiscard]] bool good_for(const Entry& entry, const TokenWish& wish) const;
    [[nodiscard]] HandOut hand_out(const Entry& entry) const;
    [[nodiscard]] KeeperAnswer best_effort(const Entry& entry, const TokenWish& wish) const;
    [[nodiscard]] bool worth_waiting(const Entry& entry, const TokenWish& wish) const;
    void note_min_valid(Entry& entry, milliseconds min_valid);
    void add_waiter(Entry& entry, const TokenWish& wish, bool refresh_only, Done done);
    void waiter_timed_out(const Key& key, std::uint64_t waiter);
    void start(Entry& entry);
    void launch(Entry& entry);
    void launch_next(const std::string& provider_name);
    void completed(const Key& key, std::uint64_t generation, FetchResult result);
    void accept(Entry& entry, FetchedToken fetched);
    void note_failure(Entry& entry, FetchFailure failure);
    void settle_waiters(Entry& entry);
    void adopt(Entry& entry, const ProviderConfig& old, std::uint32_t provider);
    void plan_renewal(Entry& entry);
    void set_timer(Entry& entry, BootTime when);
    void timer_fired(const Key& key);

    Services services_;
    std::shared_ptr<const AgentConfig> config_;
    Entries entries_;            // stable addresses
    std::vector<Entry*> slots_;  // of applications: by provider index * 4 + resource
    std::map<std::string, Lane> lanes_;
    std::uint64_t next_id_ = 1;
    std::shared_ptr<bool> alive_;  // answers that come after our end find it false
};

}  // namespace postbearer::agent
