// SPDX-License-Identifier: Apache-2.0
#include "milter/delivery/ledger.hh"

#include <algorithm>

namespace postbearer::milter {
namespace {

/// Postfix's maximal_queue_lifetime: nobody asks after that.
constexpr std::chrono::hours kKept{5 * 24};
constexpr std::size_t kFirstDrop = 1024;

}  // namespace

std::string MemoryLedger::key_of(const MessageIdentity& message) {
    return message.queue_id + '\n' + message.message_id;
}

Ledger::Entry MemoryLedger::find(const MessageIdentity& message,
                                 const std::string& recipient) const {
    const auto known = messages_.find(key_of(message));
    if (known == messages_.end()) {
        return {};
    }
    const auto entry = known->second.recipients.find(recipient);
    return entry == known->second.recipients.end() ? Entry() : entry->second;
}

void MemoryLedger::begin(const MessageIdentity& message,
                         const std::vector<std::string>& recipients) {
    drop_old();
    Message& entry = messages_[key_of(message)];
    entry.since = clock_.boot();
    for (const std::string& recipient : recipients) {
        entry.recipients[recipient] = {State::InFlight, {}};
    }
}

void MemoryLedger::forget(const MessageIdentity& message,
                          const std::vector<std::string>& recipients) {
    const auto known = messages_.find(key_of(message));
    if (known == messages_.end()) {
        return;
    }
    for (const std::string& recipient : recipients) {
        known->second.recipients.erase(recipient);
    }
    if (known->second.recipients.empty()) {
        messages_.erase(known);
    }
}

void MemoryLedger::done(const MessageIdentity& message, const std::vector<std::string>& recipients,
                        const LmtpReply& reply) {
    Message& entry = messages_[key_of(message)];
    entry.since = clock_.boot();
    for (const std::string& recipient : recipients) {
        entry.recipients[recipient] = {State::Done, reply};
    }
}

void MemoryLedger::answered(const MessageIdentity& message,
                            const std::vector<std::string>& recipients) {
    forget(message, recipients);
}

/// Amortised: looks only when the table has doubled.
void MemoryLedger::drop_old() {
    if (messages_.size() < drop_at_) {
        return;
    }
    const BootTime oldest = clock_.boot() - kKept;
    std::erase_if(messages_, [&](const auto& each) {
        const auto& recipients = each.second.recipients;
        return each.second.since < oldest &&
               std::all_of(recipients.begin(), recipients.end(),
                           [](const auto& entry) { return entry.second.state == State::Done; });
    });
    drop_at_ = std::max(kFirstDrop, messages_.size() * 2);
}

}  // namespace postbearer::milter
