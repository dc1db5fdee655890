// SPDX-License-Identifier: Apache-2.0
#pragma once

// Keeps one access token per (provider, client, resource), however many mailboxes it serves: hands
// it out, renews it ahead of need, and lets any number of callers wait for one request (single
// flight). It knows no sockets and no HTTP; time comes from Clock and Scheduler.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.hh"
#include "common/log.hh"
#include "common/scheduler.hh"
#include "token-agent/config.hh"
#include "token-agent/issued_token.hh"
#include "token-agent/renewal_policy.hh"
#include "token-agent/token_source.hh"

namespace postbearer::agent {

struct TokenWish {
    std::uint32_t provider = 0;  // index into the current AgentConfig
    Resource resource = Resource::Smtp;
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
    [[nodiscard]] protocol::RejectedAction rejected(std::uint32_t provider, Resource resource,
                                                    std::string_view fingerprint);

    /// An operator's "now": ignores back-off, joins a request that is under way.
    void refresh(std::uint32_t provider, Resource resource, Done done);

    /// Tokens of providers whose identity is unchanged survive; their failures are forgotten, as
    /// the change may be the cure. Late answers to requests of dropped ones are ignored.
    void reload(std::shared_ptr<const AgentConfig> config);

    [[nodiscard]] std::vector<TokenStatus> status() const;

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
        std::uint32_t provider = 0;
        Resource resource = Resource::Smtp;
        std::shared_ptr<const IssuedToken> token;
        bool set_aside = false;
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

    using Key = std::pair<std::string, Resource>;
    struct Lane {  // requests of one provider
        std::size_t under_way = 0;
        std::deque<std::pair<Key, std::uint64_t>> queue;  // with the generation that asked
    };

    Entry& entry_for(std::uint32_t provider, Resource resource);
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
    std::map<Key, Entry> entries_;  // stable addresses
    std::vector<Entry*> slots_;     // by provider index * 4 + resource, into entries_
    std::map<std::string, Lane> lanes_;
    std::uint64_t next_id_ = 1;
    std::shared_ptr<bool> alive_;  // answers that come after our end find it false
};

}  // namespace postbearer::agent
