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
    timer_ = services_.scheduler.at(services_.clock.boot() + delay, [this] {
        timer_ = 0;
        const BootTime now = services_.clock.boot();
        std::erase_if(held_off_, [now](const auto& held) { return held.second <= now; });
        std::erase_if(providers_held_off_, [now](const auto& held) { return held.second <= now; });
        look("");
    });
}

/// One page; what cannot be helped now is passed over, so that it hides nobody behind it.
void KeepAlive::look(const std::string& cursor) {
    ask_store<LoginPage>(
        services_.store,
        [before = services_.clock.wall() - kUnusedFor, cursor](TokenStore& store) {
            return store.unused_since(before, cursor, kPerLook);
        },
        [this, alive = alive_](Result<LoginPage> page) {
            if (*alive) {
                found(std::move(page));
            }
        });
}

void KeepAlive::found(Result<LoginPage> page) {
    waiting_.clear();
    next_page_.clear();
    if (page) {
        for (const ListedLogin& login : page->logins) {
            if (login.readable) {
                waiting_.emplace_back(login.provider, login.account);
            }
        }
        std::reverse(waiting_.begin(), waiting_.end());
        next_page_ = page->next;
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
        // Of a configuration before this one, or not to be asked now.
        if (provider == providers.end() || providers_held_off_.contains(place.first) ||
            held_off_.contains(place)) {
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
    if (!next_page_.empty()) {
        look(next_page_);
        return;
    }
    plan(kLookInterval);
}

void KeepAlive::ended(const Place& place, const FetchResult& result) {
    const BootTime now = services_.clock.boot();
    LogLine line(result ? LogLevel::Info : LogLevel::Warning,
                 result ? "login_kept_alive" : "keep_alive_failed");
    line.add("account", place.second).add("provider", place.first);
    if (!result) {
        line.add("message", result.error().answer.message);
        // Whatever it was: it must not stand first again and again, others wait behind it.
        held_off_[place] = now + kRefusedPause;
        if (result.error().answer.failure_class == protocol::FailureClass::Transient &&
            ++failures_in_turn_[place.first] >= kOutage) {
            // An outage is not asked about for each of its logins.
            providers_held_off_[place.first] = now + kOutagePause;
            failures_in_turn_.erase(place.first);
        }
    } else {
        failures_in_turn_.erase(place.first);
    }
    services_.log.write(line);
    next();
}

}  // namespace postbearer::agent
