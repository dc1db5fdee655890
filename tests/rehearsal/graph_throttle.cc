// SPDX-License-Identifier: Apache-2.0
#include "graph_throttle.hh"

#include <algorithm>

#include "codec.hh"

namespace postbearer::rehearsal {
namespace {

std::string key_of(const std::string& app, const std::string& mailbox) {
    return app + "\n" + mailbox;
}

}  // namespace

GraphThrottle::Slot::Slot(GraphThrottle& throttle, std::string app, std::string mailbox)
    : throttle_(throttle), app_(std::move(app)), key_(key_of(app_, mailbox)) {
    State& state = throttle_.states_[key_];
    ++state.under_way;
    ++throttle_.in_flight_;
    throttle_.max_per_mailbox_ =
        std::max(throttle_.max_per_mailbox_, static_cast<std::uint64_t>(state.under_way));
}

GraphThrottle::Slot::~Slot() {
    State& state = throttle_.states_[key_];
    --state.under_way;
    --throttle_.in_flight_;
    if (placed_) {
        --state.placed;
        --throttle_.apps_[app_];
    }
}

std::int64_t GraphThrottle::Window::use(std::int64_t amount, std::int64_t limit,
                                        std::int64_t seconds, WallTime now) {
    const std::int64_t age = unix_seconds(now) - unix_seconds(since);
    if (age >= seconds) {
        since = now;
        used = 0;
    }
    used += amount;
    if (limit == 0 || used <= limit) {
        return 0;
    }
    return std::max<std::int64_t>(seconds - (unix_seconds(now) - unix_seconds(since)), 1);
}

GraphThrottle::Entry GraphThrottle::enter(const std::string& app, const std::string& mailbox,
                                          WallTime now) {
    Entry entry;
    entry.slot = std::make_unique<Slot>(*this, app, mailbox);
    State& state = states_[key_of(app, mailbox)];
    if (const auto wait = state.requests.use(1, limits_.requests, limits_.requests_seconds, now);
        wait > 0) {
        entry.refusal = throttled("RequestRate", wait);
        return entry;
    }
    std::int64_t& app_places = apps_[app];
    const bool full = (limits_.concurrent > 0 && state.placed >= limits_.concurrent) ||
                      (limits_.app_concurrent > 0 && app_places >= limits_.app_concurrent);
    if (full) {
        entry.refusal = throttled("MailboxConcurrency", 1);
        return entry;
    }
    entry.slot->placed_ = true;
    ++state.placed;
    ++app_places;
    return entry;
}

std::optional<GraphError> GraphThrottle::count_upload(const std::string& app,
                                                      const std::string& mailbox, std::size_t bytes,
                                                      WallTime now) {
    State& state = states_[key_of(app, mailbox)];
    const auto wait = state.upload.use(static_cast<std::int64_t>(bytes), limits_.upload_bytes,
                                       limits_.upload_seconds, now);
    return wait > 0 ? std::optional(throttled("IncomingBytes", wait)) : std::nullopt;
}

void GraphThrottle::forget() {
    for (auto& [key, state] : states_) {
        state.requests = Window();
        state.upload = Window();
    }
    max_per_mailbox_ = 0;
    for (const auto& [key, state] : states_) {
        max_per_mailbox_ = std::max(max_per_mailbox_, static_cast<std::uint64_t>(state.under_way));
    }
}

}  // namespace postbearer::rehearsal
