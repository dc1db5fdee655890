// SPDX-License-Identifier: Apache-2.0
#include "token-agent/grants/delegated.hh"

#include <algorithm>
#include <utility>

#include "token-agent/grants/delegated_job.hh"

namespace postbearer::agent {

Delegated::Delegated(const Services& services)
    : services_(services), alive_(std::make_shared<bool>(true)) {}

Delegated::~Delegated() {
    *alive_ = false;
    for (auto& [place, lane] : lanes_) {
        if (lane.unsaved != nullptr) {
            services_.scheduler.cancel(lane.unsaved->timer);
            // The store's thread finishes what it was given.
            save_now(place, *lane.unsaved, [](const Result<std::uint64_t>&) {});
        }
    }
}

void Delegated::fetch(FetchWish wish, std::function<void(FetchResult)> done) {
    auto job = std::make_shared<Job>(*this, std::move(wish), std::move(done));
    const Place place = job->place();
    Lane& lane = lanes_[place];
    lane.jobs.push_back(std::move(job));
    if (lane.jobs.size() == 1 && !lane.saving) {
        lane.jobs.front()->start();
    }
}

void Delegated::finished(const Place& place) {
    Lane& lane = lanes_[place];
    lane.jobs.pop_front();
    if (!lane.jobs.empty()) {
        const auto next = lane.jobs.front();
        next->start();
        return;
    }
    drop_if_idle(place);
}

void Delegated::drop_if_idle(const Place& place) {
    const auto found = lanes_.find(place);
    if (found != lanes_.end() && found->second.jobs.empty() && !found->second.saving &&
        found->second.unsaved == nullptr && !found->second.told) {
        lanes_.erase(found);
    }
}

void Delegated::note_store(const Result<void>& outcome) {
    if (outcome) {
        store_was_written_ = true;
        if (!store_trouble_.empty()) {
            services_.log.write(LogLine(LogLevel::Notice, "store_writable_again"));
            store_trouble_.clear();
        }
        return;
    }
    if (outcome.error().code == Errc::Denied) {
        return;
    }
    if (store_trouble_ != outcome.error().context) {
        services_.log.write(
            LogLine(LogLevel::Error, "store_unwritable")
                .add("message", outcome.error().context)
                .add("action", "tokens are served from memory; free or repair the disk"));
        store_trouble_ = outcome.error().context;
    }
}

void Delegated::keep_unsaved(const Place& place, const std::string& client_id, StoredLogin login,
                             const Secret& refresh_token, const Error& why) {
    Lane& lane = lanes_[place];
    if (lane.unsaved == nullptr) {
        lane.unsaved = std::make_unique<Unsaved>();
    }
    Unsaved& unsaved = *lane.unsaved;
    unsaved.login = std::move(login);
    unsaved.login.refresh_token = refresh_token.clone();
    unsaved.login.rotates = true;
    unsaved.login.attempt_at.reset();
    unsaved.client_id = client_id;
    unsaved.renewed_at = services_.clock.wall();
    services_.log.write(
        LogLine(LogLevel::Error, "refresh_token_not_saved")
            .add("account", place.second)
            .add("provider", place.first)
            .add("message", why.context)
            .add("action",
                 "the new refresh token is in memory only: do not stop the agent; free or "
                 "repair the disk. Retried every 10 s"));
    plan_save(place, unsaved);
}

void Delegated::drop_unsaved(Lane& lane) {
    if (lane.unsaved != nullptr) {
        services_.scheduler.cancel(lane.unsaved->timer);
        lane.unsaved.reset();
    }
}

void Delegated::plan_save(const Place& place, Unsaved& unsaved) {
    services_.scheduler.cancel(unsaved.timer);
    unsaved.timer = services_.scheduler.at(services_.clock.boot() + kSaveInterval,
                                           [this, place] { save_timer(place); });
}

void Delegated::save_now(const Place& place, const Unsaved& unsaved,
                         std::function<void(Result<std::uint64_t>)> done) {
    auto renewal = std::make_shared<Renewal>();
    renewal->generation = unsaved.login.generation;
    renewal->refresh_token = unsaved.login.refresh_token.clone();
    renewal->now = unsaved.renewed_at;
    ask_store<std::uint64_t>(
        services_.store,
        [name = RecordName{place.first, place.second, unsaved.client_id},
         renewal](TokenStore& store) { return store.put_renewal(name, *renewal); },
        std::move(done));
}

void Delegated::save_timer(const Place& place) {
    Lane& lane = lanes_[place];
    if (lane.unsaved == nullptr) {
        return;
    }
    lane.unsaved->timer = 0;
    if (!lane.jobs.empty()) {  // its job begins with a save of its own
        plan_save(place, *lane.unsaved);
        return;
    }
    lane.saving = true;
    save_now(place, *lane.unsaved,
             [this, alive = alive_, place](const Result<std::uint64_t>& result) {
                 if (!*alive) {
                     return;
                 }
                 Lane& saved_lane = lanes_[place];
                 saved_lane.saving = false;
                 (void)note_saved(place, result);
                 if (!saved_lane.jobs.empty()) {
                     const auto next = saved_lane.jobs.front();
                     next->start();
                     return;
                 }
                 drop_if_idle(place);
             });
}

bool Delegated::note_saved(const Place& place, const Result<std::uint64_t>& result) {
    Lane& lane = lanes_[place];
    const bool replaced = !result && result.error().code == Errc::Denied;
    if (!result && !replaced) {
        note_store(tl::unexpected(result.error()));
        if (lane.unsaved != nullptr) {
            plan_save(place, *lane.unsaved);
        }
        return false;
    }
    if (result) {
        note_store({});
        services_.log.write(LogLine(LogLevel::Notice, "refresh_token_saved")
                                .add("account", place.second)
                                .add("provider", place.first));
    }
    drop_unsaved(lane);
    return true;
}

void Delegated::account_changed(std::string_view provider_name, std::string_view account) {
    const auto found = lanes_.find(Place(provider_name, account));
    if (found == lanes_.end()) {
        return;
    }
    found->second.told = false;
    drop_unsaved(found->second);
    drop_if_idle(found->first);
}

bool Delegated::busy() const noexcept {
    return std::any_of(lanes_.begin(), lanes_.end(), [](const auto& entry) {
        const Lane& lane = entry.second;
        return lane.unsaved != nullptr ||
               (!lane.jobs.empty() && lane.jobs.front()->must_end_well());
    });
}

std::size_t Delegated::unsaved() const noexcept {
    return static_cast<std::size_t>(
        std::count_if(lanes_.begin(), lanes_.end(),
                      [](const auto& lane) { return lane.second.unsaved != nullptr; }));
}

/// Once for each time that an account falls into this state, however many resources find out.
void Delegated::tell_trouble(const Place& place, const FetchFailure& failure) {
    Lane& lane = lanes_[place];
    if (std::exchange(lane.told, true)) {
        return;
    }
    const bool user = failure.answer.failure_class == protocol::FailureClass::NeedsUser;
    LogLine line(LogLevel::Error, user ? "account_needs_user" : "account_needs_admin");
    line.add("account", place.second).add("provider", place.first);
    line.add("code", name_of(failure.answer.code)).add_if("hint", failure.answer.hint);
    line.add("message", failure.answer.message);
    if (user) {
        line.add("action", "postbearer login " + place.second);
    }
    services_.log.write(line);
}

}  // namespace postbearer::agent
