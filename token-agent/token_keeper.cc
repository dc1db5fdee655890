// SPDX-License-Identifier: Apache-2.0
#include "token-agent/token_keeper.hh"

#include <algorithm>
#include <iterator>
#include <utility>

#include "token-agent/providers.hh"
#include "token-agent/token_failure.hh"

namespace postbearer::agent {
namespace {

using namespace std::chrono_literals;
using protocol::FailureClass;
using protocol::FailureCode;
using protocol::RejectedAction;

/// A first hiccup is waited out where the caller's time allows; a longer outage is answered at
/// once, because a session that only waits keeps a server's connection busy.
constexpr unsigned kFailuresWaitedOut = 2;
constexpr milliseconds kRejectedInterval = 60s;
constexpr std::size_t kResourceCount = std::size(protocol::kResources);

std::int64_t whole_seconds(milliseconds time) { return std::chrono::floor<seconds>(time).count(); }

seconds rounded_up(milliseconds time) {
    return std::max(std::chrono::ceil<seconds>(time), seconds(1));
}

}  // namespace

TokenKeeper::TokenKeeper(Services services, std::shared_ptr<const AgentConfig> config)
    : services_(std::move(services)),
      config_(std::move(config)),
      slots_(config_->providers.size() * kResourceCount, nullptr),
      alive_(std::make_shared<bool>(true)) {}

TokenKeeper::~TokenKeeper() {
    *alive_ = false;
    for (auto& [key, entry] : entries_) {
        services_.scheduler.cancel(entry.timer);
        for (Waiter& waiter : entry.waiters) {
            services_.scheduler.cancel(waiter.timer);
        }
    }
}

TokenKeeper::Entry& TokenKeeper::entry_for(const TokenOwner& owner) {
    if (owner.account.empty()) {
        Entry*& slot =
            slots_[owner.provider * kResourceCount + static_cast<std::size_t>(owner.resource)];
        if (slot == nullptr) {
            slot = &make_entry(owner);
        }
        return *slot;
    }
    const auto found = find_entry(owner);
    return found != entries_.end() ? found->second : make_entry(owner);
}

TokenKeeper::Entries::iterator TokenKeeper::find_entry(const TokenOwner& owner) {
    return entries_.find(KeyView{config_->providers[owner.provider].name, owner.account,
                                 owner.grant, owner.resource});
}

TokenKeeper::Entry& TokenKeeper::make_entry(const TokenOwner& owner) {
    const ProviderConfig& settings = config_->providers[owner.provider];
    Entry& entry = entries_[Key{settings.name, owner.account, owner.grant, owner.resource}];
    entry.provider_name = settings.name;
    entry.identity = token_identity(settings, owner.resource, owner.grant);
    entry.owner = owner;
    entry.generation = next_id_++;
    return entry;
}

FetchWish TokenKeeper::fetch_wish(const Entry& entry) const {
    FetchWish wish;
    wish.config = config_;
    wish.provider = entry.owner.provider;
    wish.grant = entry.owner.grant;
    wish.account = entry.owner.account;
    wish.resource = entry.owner.resource;
    wish.can_wait = entry.token && !entry.set_aside &&
                    entry.token->expires_boot() - services_.clock.boot() >= kLastResort;
    return wish;
}

/// What was asked for an account that has no login, or that nobody asks for any more, must not pile
/// up: any name of a domain may be asked for.
void TokenKeeper::drop_if_spent(const Key& key) {
    const auto found = entries_.find(key);
    if (found == entries_.end() || key.account.empty()) {
        return;
    }
    Entry& entry = found->second;
    const BootTime now = services_.clock.boot();
    const bool has_token = entry.token && entry.token->expires_boot() > now;
    const bool unknown =
        entry.last_failure && entry.last_failure->answer.code == FailureCode::NotLoggedIn;
    const bool idle = now - entry.last_used > config_->idle_after;
    if (has_token || entry.in_flight || !entry.waiters.empty() || !(unknown || idle)) {
        return;
    }
    services_.scheduler.cancel(entry.timer);
    entries_.erase(found);
}

bool TokenKeeper::may_attempt(const Entry& entry) const {
    return services_.clock.boot() >= entry.attempt_after;
}

bool TokenKeeper::good_for(const Entry& entry, const TokenWish& wish) const {
    if (!entry.token || entry.set_aside) {
        return false;
    }
    const milliseconds left = entry.token->expires_boot() - services_.clock.boot();
    return left > 0ms && left >= capped_min_valid(wish.min_valid, entry.token->life);
}

HandOut TokenKeeper::hand_out(const Entry& entry) const {
    HandOut result{entry.token, entry.token->expires_boot() - services_.clock.boot(),
                   entry.token->expires_wall};
    // Only a jump of the wall clock makes the two disagree; then the measured life is right.
    const WallTime measured =
        services_.clock.wall() + std::chrono::duration_cast<seconds>(result.left);
    if (measured - result.expires_at > 2s || result.expires_at - measured > 2s) {
        result.expires_at = measured;
    }
    return result;
}

KeeperAnswer TokenKeeper::best_effort(const Entry& entry, const TokenWish& wish) const {
    if (entry.token) {
        const milliseconds left = entry.token->expires_boot() - services_.clock.boot();
        if (left >= kLastResort && (!wish.min_valid_explicit || good_for(entry, wish))) {
            return hand_out(entry);
        }
        if (left > 0ms && wish.min_valid_explicit && !entry.set_aside) {
            return tl::unexpected(passing_failure(
                FailureCode::TooShort,
                "provider '" + entry.provider_name + "': the token has " +
                    std::to_string(whole_seconds(left)) +
                    " s left, less than asked for, and its renewal has not succeeded yet"));
        }
    }
    if (entry.last_failure) {
        FetchFailure failure = *entry.last_failure;
        if (!entry.in_flight) {
            failure.answer.retry_after = rounded_up(entry.attempt_after - services_.clock.boot());
        }
        return tl::unexpected(std::move(failure));
    }
    if (wish.wait < 1s) {
        return tl::unexpected(passing_failure(
            FailureCode::Timeout, "provider '" + entry.provider_name +
                                      "': no token yet, its request is under way; ask again"));
    }
    return tl::unexpected(passing_failure(FailureCode::Timeout,
                                          "provider '" + entry.provider_name +
                                              "': the token endpoint has not answered within " +
                                              std::to_string(whole_seconds(wish.wait)) +
                                              " s; check that this host reaches it over HTTPS"));
}

bool TokenKeeper::worth_waiting(const Entry& entry, const TokenWish& wish) const {
    if (wish.wait <= 0ms) {
        return false;
    }
    if (entry.in_flight) {
        return true;
    }
    return entry.last_failure &&
           entry.last_failure->answer.failure_class == FailureClass::Transient &&
           entry.failures <= kFailuresWaitedOut &&
           entry.attempt_after - services_.clock.boot() < wish.wait;
}

std::optional<HandOut> TokenKeeper::take(const TokenWish& wish) {
    Entry& entry = entry_for(wish);
    const BootTime now = services_.clock.boot();
    entry.last_used = now;
    note_min_valid(entry, wish.min_valid);
    const bool good = good_for(entry, wish);
    if ((!good || now >= entry.renew_at) && !entry.in_flight && may_attempt(entry)) {
        start(entry);
    }
    if (!good) {
        return std::nullopt;
    }
    return hand_out(entry);
}

void TokenKeeper::get(const TokenWish& wish, Done done) {
    if (const auto at_hand = take(wish)) {
        done(*at_hand);
        return;
    }
    Entry& entry = entry_for(wish);
    KeeperAnswer answer = best_effort(entry, wish);
    // In a back-off, an old token that will do is not held back for the attempt to come.
    const bool old_token_will_do = answer && !entry.in_flight && !entry.set_aside;
    if (old_token_will_do || !worth_waiting(entry, wish)) {
        done(std::move(answer));
        return;
    }
    add_waiter(entry, wish, false, std::move(done));
}

void TokenKeeper::note_min_valid(Entry& entry, milliseconds min_valid) {
    const BootTime now = services_.clock.boot();
    const milliseconds asked =
        entry.token ? capped_min_valid(min_valid, entry.token->life) : min_valid;
    const bool largest_so_far = asked > entry.min_valid.largest(now);
    entry.min_valid.note(asked, now);
    // The renewal of the token at hand was planned for lesser wishes.
    if (largest_so_far && entry.token && entry.failures == 0 && !entry.in_flight) {
        plan_renewal(entry);
    }
}

void TokenKeeper::add_waiter(Entry& entry, const TokenWish& wish, bool refresh_only, Done done) {
    Waiter waiter;
    waiter.id = next_id_++;
    waiter.wish = wish;
    waiter.refresh_only = refresh_only;
    waiter.done = std::move(done);
    const Key key = key_of(entry);
    waiter.timer =
        services_.scheduler.at(services_.clock.boot() + wish.wait,
                               [this, key, id = waiter.id] { waiter_timed_out(key, id); });
    entry.waiters.push_back(std::move(waiter));
    // Somebody waits for the next attempt, so it must come when it may, not when an idle agent
    // would care to.
    if (!entry.in_flight) {
        set_timer(entry, entry.attempt_after);
    }
}

void TokenKeeper::waiter_timed_out(const Key& key, std::uint64_t waiter) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) {
        return;
    }
    Entry& entry = found->second;
    const auto it = std::find_if(entry.waiters.begin(), entry.waiters.end(),
                                 [waiter](const Waiter& each) { return each.id == waiter; });
    if (it == entry.waiters.end()) {
        return;
    }
    const Waiter timed_out = std::move(*it);
    entry.waiters.erase(it);
    if (timed_out.refresh_only && entry.in_flight) {
        timed_out.done(tl::unexpected(passing_failure(
            FailureCode::Timeout, "provider '" + entry.provider_name +
                                      "': the token endpoint is slow; the request "
                                      "goes on, look again with postbearer status")));
        return;
    }
    timed_out.done(best_effort(entry, timed_out.wish));
}

RejectedAction TokenKeeper::rejected(const TokenOwner& owner, std::string_view fingerprint) {
    if (!owner.account.empty() && find_entry(owner) == entries_.end()) {
        return RejectedAction::Stale;
    }
    Entry& entry = entry_for(owner);
    if (!entry.token || entry.token->fingerprint != fingerprint) {
        return RejectedAction::Stale;
    }
    const BootTime now = services_.clock.boot();
    if (entry.set_aside) {
        return RejectedAction::RateLimited;  // its successor is under way already
    }
    if (entry.last_rejected && now - *entry.last_rejected < kRejectedInterval) {
        return RejectedAction::RateLimited;
    }
    if (!entry.in_flight && !may_attempt(entry)) {
        return RejectedAction::RateLimited;  // the provider is not to be asked now
    }
    entry.last_rejected = now;
    entry.set_aside = true;
    entry.last_used = now;
    services_.source.refused(fetch_wish(entry));
    if (!entry.in_flight) {
        start(entry);
    }
    return RejectedAction::Refreshed;
}

void TokenKeeper::refresh(const TokenOwner& owner, Done done) {
    Entry& entry = entry_for(owner);
    entry.last_used = services_.clock.boot();
    entry.asked_before = true;  // an operator wants a new one
    if (!entry.in_flight) {
        start(entry);
    }
    TokenWish wish;
    static_cast<TokenOwner&>(wish) = owner;
    wish.wait = protocol::kMaxWait;
    add_waiter(entry, wish, true, std::move(done));
}

void TokenKeeper::start(Entry& entry) {
    entry.in_flight = true;
    services_.scheduler.cancel(entry.timer);
    entry.timer = 0;
    Lane& lane = lanes_[entry.provider_name];
    if (lane.under_way >= config_->provider_concurrency) {
        lane.queue.emplace_back(key_of(entry), entry.generation);
        return;
    }
    launch(entry);
}

void TokenKeeper::launch(Entry& entry) {
    ++lanes_[entry.provider_name].under_way;
    entry.asked_at = services_.clock.boot();
    const Key key = key_of(entry);
    FetchWish wish = fetch_wish(entry);
    wish.may_restore = !std::exchange(entry.asked_before, true);
    services_.source.fetch(std::move(wish), [this, key, generation = entry.generation,
                                             alive = alive_](FetchResult result) {
        if (*alive) {
            completed(key, generation, std::move(result));
        }
    });
}

void TokenKeeper::launch_next(const std::string& provider_name) {
    Lane& lane = lanes_[provider_name];
    --lane.under_way;
    while (!lane.queue.empty() && lane.under_way < config_->provider_concurrency) {
        const auto [key, generation] = std::move(lane.queue.front());
        lane.queue.pop_front();
        const auto found = entries_.find(key);
        if (found != entries_.end() && found->second.generation == generation) {
            launch(found->second);
        }
    }
    if (lane.under_way == 0 && lane.queue.empty()) {
        lanes_.erase(provider_name);
    }
}

void TokenKeeper::completed(const Key& key, std::uint64_t generation, FetchResult result) {
    launch_next(key.provider);
    const auto found = entries_.find(key);
    if (found == entries_.end() || found->second.generation != generation) {
        return;  // the configuration changed meanwhile
    }
    Entry& entry = found->second;
    entry.in_flight = false;
    if (result && services_.clock.boot() - entry.asked_at >= result->expires_in - result->age) {
        result = tl::unexpected(passing_failure(
            FailureCode::Timeout, "provider '" + entry.provider_name +
                                      "': the token endpoint is so slow that its token had "
                                      "expired when it came"));
    }
    if (result) {
        accept(entry, std::move(*result));
    } else {
        note_failure(entry, std::move(result.error()));
    }
    plan_renewal(entry);
    settle_waiters(entry);
    drop_if_spent(key);
}

void TokenKeeper::accept(Entry& entry, FetchedToken fetched) {
    const BootTime now = services_.clock.boot();
    auto token = std::make_shared<IssuedToken>();
    token->fingerprint = fingerprint_of(fetched.access_token);
    token->token = std::move(fetched.access_token);
    token->token_type = std::move(fetched.token_type);
    token->life = fetched.expires_in;
    // Made at any time between our question and now: the careful end counts.
    token->issued_boot = entry.asked_at - fetched.age;
    token->expires_wall =
        services_.clock.wall() + std::chrono::floor<seconds>(token->expires_boot() - now);
    token->refresh_in = fetched.refresh_in;
    entry.token = std::move(token);
    entry.set_aside = false;
    entry.failures = 0;
    entry.last_failure.reset();
    entry.attempt_after = now;
    LogLine line(LogLevel::Info, fetched.age > 0s ? "token_restored" : "token_refreshed");
    line.add_if("account", entry.owner.account);
    line.add("provider", entry.provider_name).add("resource", name_of(entry.owner.resource));
    line.add("fingerprint", entry.token->fingerprint);
    line.add("expires_in", whole_seconds(entry.token->expires_boot() - now));
    services_.log.write(line);
}

void TokenKeeper::note_failure(Entry& entry, FetchFailure failure) {
    const BootTime now = services_.clock.boot();
    ++entry.failures;
    // Refused for one mailbox, it may still be good for the others: better than nothing.
    entry.set_aside = false;
    const bool expired = !entry.token || entry.token->expires_boot() <= now;
    RetryPlan plan = plan_retry(failure.answer, entry.failures, expired, services_.jitter());
    if (failure.answer.code == FailureCode::StoreUnwritable && entry.token) {
        // Nobody was asked. When the token at hand is spent somebody will be, store or no store:
        // a longer pause would leave a gap in between.
        const milliseconds spent = entry.token->expires_boot() - kLastResort + 1ms - now;
        if (spent > 0ms) {
            plan.on_demand = std::min(plan.on_demand, spent);
            plan.background = std::min(plan.background, spent);
        }
    }
    entry.attempt_after = now + plan.on_demand;
    entry.renew_at = now + plan.background;

    const bool transient = failure.answer.failure_class == FailureClass::Transient;
    if (failure.answer.code == FailureCode::NotLoggedIn && failure.http_status == 0) {
        // Nothing was tried. Whoever asked is told, and the log of refusals has its own limits; any
        // name of a domain may be asked for.
        entry.last_failure = std::move(failure);
        return;
    }
    LogLine line(transient && !expired ? LogLevel::Warning : LogLevel::Error,
                 "token_refresh_failed");
    line.add_if("account", entry.owner.account);
    line.add("provider", entry.provider_name).add("resource", name_of(entry.owner.resource));
    line.add("class", name_of(failure.answer.failure_class));
    line.add("code", name_of(failure.answer.code));
    if (failure.http_status != 0) {
        line.add("http", failure.http_status);
    }
    line.add_if("error", failure.error).add_if("suberror", failure.suberror);
    line.add_if("hint", failure.answer.hint).add_if("trace_id", failure.trace_id);
    line.add_if("correlation_id", failure.correlation_id);
    if (failure.clock_skew) {
        line.add("clock_skew", failure.clock_skew->count());
    }
    line.add("failures", entry.failures);
    line.add("retry_in", rounded_up(transient ? plan.background : plan.on_demand).count());
    line.add("message", failure.answer.message);
    services_.log.write(line);
    entry.last_failure = std::move(failure);
}

void TokenKeeper::settle_waiters(Entry& entry) {
    std::vector<std::pair<Done, KeeperAnswer>> settled;
    std::vector<Waiter> staying;
    for (Waiter& waiter : entry.waiters) {
        if (entry.failures == 0) {
            settled.emplace_back(std::move(waiter.done), hand_out(entry));
        } else if (waiter.refresh_only) {
            settled.emplace_back(std::move(waiter.done), tl::unexpected(*entry.last_failure));
        } else {
            KeeperAnswer answer = best_effort(entry, waiter.wish);
            if (!answer && worth_waiting(entry, waiter.wish)) {
                staying.push_back(std::move(waiter));
                continue;
            }
            settled.emplace_back(std::move(waiter.done), std::move(answer));
        }
        services_.scheduler.cancel(waiter.timer);
    }
    entry.waiters = std::move(staying);
    if (!entry.waiters.empty()) {
        set_timer(entry, entry.attempt_after);
    }
    // Last, because a caller may come back with its next wish from inside.
    for (auto& [done, answer] : settled) {
        done(std::move(answer));
    }
}

void TokenKeeper::plan_renewal(Entry& entry) {
    const BootTime now = services_.clock.boot();
    if (entry.failures == 0) {
        const milliseconds life = entry.token->life;
        const milliseconds asked = capped_min_valid(entry.min_valid.largest(now), life);
        entry.renew_at =
            entry.token->issued_boot + renewal_delay(life, entry.token->refresh_in, asked);
    }
    set_timer(entry, entry.renew_at);
}

void TokenKeeper::set_timer(Entry& entry, BootTime when) {
    services_.scheduler.cancel(entry.timer);
    const Key key = key_of(entry);
    entry.timer = services_.scheduler.at(when, [this, key] { timer_fired(key); });
}

void TokenKeeper::timer_fired(const Key& key) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) {
        return;
    }
    Entry& entry = found->second;
    entry.timer = 0;
    const bool idle = services_.clock.boot() - entry.last_used > config_->idle_after;
    // An idle token is left to expire; the next wish starts over.
    if (!entry.in_flight && (!idle || !entry.waiters.empty())) {
        start(entry);
        return;
    }
    drop_if_spent(key);
}

}  // namespace postbearer::agent
