// SPDX-License-Identifier: Apache-2.0
#include "milter/graph/grace.hh"

namespace postbearer::milter {
namespace {

constexpr std::chrono::hours kForgotten{24};  // Postfix tries deferred mail far more often
constexpr std::size_t kMaxEntries = 20'000;

}  // namespace

bool GraceTimes::has_passed(const std::string& mailbox, std::string_view error,
                            std::chrono::seconds grace, BootTime now) {
    if (seen_.size() >= kMaxEntries) {
        forget_old(now);
    }
    const auto [entry, is_new] = seen_.try_emplace({mailbox, std::string(error)}, Times{now, now});
    Times& times = entry->second;
    if (now - times.last >= kForgotten) {
        times.first = now;
    }
    times.last = now;
    return !is_new && times.first != now && now - times.first >= grace;
}

void GraceTimes::clear(const std::string& mailbox) {
    auto entry = seen_.lower_bound({mailbox, std::string()});
    while (entry != seen_.end() && entry->first.first == mailbox) {
        entry = seen_.erase(entry);
    }
}

/// All of them, if none is old: more mailboxes in trouble than anybody has.
void GraceTimes::forget_old(BootTime now) {
    std::erase_if(seen_,
                  [now](const auto& entry) { return now - entry.second.last >= kForgotten; });
    if (seen_.size() >= kMaxEntries) {
        seen_.clear();
    }
}

}  // namespace postbearer::milter
