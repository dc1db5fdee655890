// SPDX-License-Identifier: Apache-2.0
#include "token-agent/keep_alive.hh"

#include <algorithm>

#include "token-agent/admin_refresh.hh"

namespace postbearer::agent {

KeepAlive::KeepAlive(const Services& services, std::shared_ptr<const AgentConfig> config)
    : services_(services), config_(std::move(config)), alive_(std::make_shared<bool>(true)) {
    plan(kFirstLook);
}

KeepAlive::~KeepAlive() {
    *alive_ = false;
    services_.scheduler.cancel(timer_);
}

void KeepAlive::plan(std::chrono::milliseconds delay) {
    timer_ = services_.scheduler.at(services_.clock.boot() + delay, [this] { look(); });
}

void KeepAlive::look() {
    timer_ = 0;
    const BootTime now = services_.clock.boot();
    std::erase_if(held_off_, [now](const auto& held) { return held.second <= now; });
    ask_store<LoginPage>(
        services_.store,
        // Those that are held off stand at the front of the list, and must not hide the others.
        [before = services_.clock.wall() - kUnusedFor, limit = kPerLook + held_off_.size()](
            TokenStore& store) { return store.unused_since(before, "", limit); },
        [this, alive = alive_](Result<LoginPage> page) {
            if (*alive) {
                found(std::move(page));
            }
        });
}

void KeepAlive::found(Result<LoginPage> page) {
    waiting_.clear();
    if (page) {
        for (const ListedLogin& login : page->logins) {
            Place place(login.provider, login.account);
            if (login.readable && !held_off_.contains(place) && waiting_.size() < kPerLook) {
                waiting_.push_back(std::move(place));
            }
        }
        std::reverse(waiting_.begin(), waiting_.end());
    }
    next();
}

void KeepAlive::next() {
    while (!waiting_.empty()) {
        const Place place = std::move(waiting_.back());
        waiting_.pop_back();
        const auto& providers = config_->providers;
        const auto provider =
            std::find_if(providers.begin(), providers.end(),
                         [&place](const ProviderConfig& each) { return each.name == place.first; });
        if (provider == providers.end()) {  // of a configuration before this one
            held_off_[place] = services_.clock.boot() + kRefusedPause;
            continue;
        }
        FetchWish wish;
        wish.config = config_;
        wish.provider = static_cast<std::uint32_t>(provider - providers.begin());
        wish.grant = Grant::Delegated;
        wish.account = place.second;
        wish.resource = usual_resource(*provider, Grant::Delegated);
        wish.can_wait = true;
        services_.source.fetch(std::move(wish),
                               [this, alive = alive_, place](const FetchResult& result) {
                                   if (*alive) {
                                       ended(place, result);
                                   }
                               });
        return;
    }
    plan(kLookInterval);
}

void KeepAlive::ended(const Place& place, const FetchResult& result) {
    const bool passing =
        !result && result.error().answer.failure_class == protocol::FailureClass::Transient;
    if (!result) {
        held_off_[place] =
            services_.clock.boot() + (passing ? BootClock::duration(kLookInterval) : kRefusedPause);
    }
    LogLine line(result ? LogLevel::Info : LogLevel::Warning,
                 result ? "login_kept_alive" : "keep_alive_failed");
    line.add("account", place.second).add("provider", place.first);
    if (!result) {
        line.add("message", result.error().answer.message);
    }
    services_.log.write(line);
    if (passing) {  // an outage is not asked about a hundred times
        waiting_.clear();
    }
    next();
}

}  // namespace postbearer::agent
