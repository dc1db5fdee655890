// SPDX-License-Identifier: Apache-2.0
#pragma once

// Providers let a refresh token die that is not used for long (Entra after 90 days, Google after
// six months). So each login that nobody needed for a day gets one token, one login at a time.

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.hh"
#include "common/log.hh"
#include "common/scheduler.hh"
#include "token-agent/config.hh"
#include "token-agent/store/store_queue.hh"
#include "token-agent/token_source.hh"

namespace postbearer::agent {

class KeepAlive {
public:
    struct Services {
        StoreQueue& store;
        TokenSource& source;
        const Clock& clock;
        Scheduler& scheduler;
        Log& log;
    };
    static constexpr std::chrono::hours kUnusedFor{24};
    static constexpr std::chrono::minutes kLookInterval{10};
    static constexpr std::chrono::minutes kFirstLook{1};
    static constexpr std::chrono::hours kRefusedPause{6};  // the probe of design 5
    static constexpr std::chrono::hours kOutagePause{1};   // of a provider that is away
    static constexpr int kOutage = 5;  // failures in turn that are one of the provider
    static constexpr std::size_t kPerLook = 100;

    KeepAlive(const Services& services, std::shared_ptr<const AgentConfig> config);
    ~KeepAlive();
    KeepAlive(const KeepAlive&) = delete;
    KeepAlive& operator=(const KeepAlive&) = delete;
    KeepAlive(KeepAlive&&) = delete;
    KeepAlive& operator=(KeepAlive&&) = delete;

    void reload(std::shared_ptr<const AgentConfig> config) { config_ = std::move(config); }

private:
    using Place = std::pair<std::string, std::string>;  // provider, account
    void plan(std::chrono::milliseconds delay);
    void look(const std::string& cursor);
    void found(Result<LoginPage> page);
    void next();
    void ended(const Place& place, const FetchResult& result);

    Services services_;
    std::shared_ptr<const AgentConfig> config_;
    std::vector<Place> waiting_;          // the last one is next
    std::string next_page_;               // cursor behind them; empty: there is nothing
    std::map<Place, BootTime> held_off_;  // not before
    std::map<std::string, BootTime> providers_held_off_;  // by name
    std::map<std::string, int> failures_in_turn_;         // temporary ones, by provider
    Scheduler::Id timer_ = 0;
    std::shared_ptr<bool> alive_;
};

}  // namespace postbearer::agent
