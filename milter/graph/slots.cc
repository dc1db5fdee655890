// SPDX-License-Identifier: Apache-2.0
#include "milter/graph/slots.hh"

#include <algorithm>
#include <utility>
#include <vector>

namespace postbearer::milter {

Slot::Slot(Slot&& other) noexcept
    : owner_(std::move(other.owner_)), mailbox_(std::move(other.mailbox_)) {
    other.owner_.reset();
}

Slot& Slot::operator=(Slot&& other) noexcept {
    if (this != &other) {
        release();
        owner_ = std::exchange(other.owner_, {});
        mailbox_ = std::move(other.mailbox_);
    }
    return *this;
}

void Slot::release() noexcept {
    if (const auto owner = std::exchange(owner_, {}).lock(); owner != nullptr) {
        const std::string mailbox = std::move(mailbox_);  // we may be gone before it returns
        (*owner)->give_back(mailbox);
    }
}

MailboxSlots::MailboxSlots(const Clock& clock, Scheduler& scheduler, std::size_t concurrency)
    : clock_(clock),
      scheduler_(scheduler),
      concurrency_(std::max<std::size_t>(concurrency, 1)),
      self_(std::make_shared<MailboxSlots*>(this)) {}

MailboxSlots::~MailboxSlots() {
    self_.reset();
    for (auto& [name, mailbox] : mailboxes_) {
        scheduler_.cancel(mailbox.wake);
    }
}

void MailboxSlots::acquire(const std::string& mailbox, BootTime deadline, Done done) {
    mailboxes_[mailbox].waiters.push_back({deadline, std::move(done)});
    serve(std::string(mailbox));  // a copy: it may be part of what `done` holds
}

void MailboxSlots::pause(const std::string& mailbox, BootTime until) {
    Mailbox& paused = mailboxes_[mailbox];
    paused.paused_until = std::max(paused.paused_until, until);
    serve(std::string(mailbox));
}

void MailboxSlots::set_concurrency(std::size_t concurrency) {
    concurrency_ = std::max<std::size_t>(concurrency, 1);
    std::vector<std::string> names;
    names.reserve(mailboxes_.size());
    for (const auto& [name, mailbox] : mailboxes_) {
        names.push_back(name);
    }
    for (const std::string& name : names) {
        serve(name);
    }
}

std::size_t MailboxSlots::in_flight(const std::string& mailbox) const {
    const auto found = mailboxes_.find(mailbox);
    return found == mailboxes_.end() ? 0 : found->second.in_flight;
}

std::size_t MailboxSlots::waiting(const std::string& mailbox) const {
    const auto found = mailboxes_.find(mailbox);
    return found == mailboxes_.end() ? 0 : found->second.waiters.size();
}

void MailboxSlots::give_back(const std::string& mailbox) {
    const auto found = mailboxes_.find(mailbox);
    if (found != mailboxes_.end() && found->second.in_flight > 0) {
        --found->second.in_flight;
    }
    serve(mailbox);
}

/// One whose time is over, or whose time will be over before the pause is.
std::optional<MailboxSlots::Waiter> MailboxSlots::next_refused(Mailbox& mailbox) const {
    const BootTime now = clock_.boot();
    const auto hopeless =
        std::find_if(mailbox.waiters.begin(), mailbox.waiters.end(), [&](const Waiter& waiter) {
            const bool paused = mailbox.paused_until > now;
            const bool has_turn = !paused && mailbox.in_flight < concurrency_;
            return paused ? waiter.deadline < mailbox.paused_until
                          : !has_turn && waiter.deadline <= now;
        });
    if (hopeless == mailbox.waiters.end()) {
        return std::nullopt;
    }
    Waiter waiter = std::move(*hopeless);
    mailbox.waiters.erase(hopeless);
    return waiter;
}

SlotRefusal MailboxSlots::refusal(const Mailbox& mailbox) const {
    const BootTime now = clock_.boot();
    if (mailbox.paused_until <= now) {
        return {};
    }
    return {true, std::chrono::ceil<std::chrono::seconds>(mailbox.paused_until - now)};
}

/// Callbacks may come back here or forget the mailbox, so it is looked up anew after each. `name`
/// must not go with a callback.
void MailboxSlots::serve(const std::string& name) {
    const std::weak_ptr<MailboxSlots*> alive = self_;
    for (;;) {
        const auto found = mailboxes_.find(name);
        if (found == mailboxes_.end()) {
            return;
        }
        Mailbox& mailbox = found->second;
        if (auto refused = next_refused(mailbox)) {
            refused->done(tl::unexpected(refusal(mailbox)));
        } else if (!mailbox.waiters.empty() && mailbox.paused_until <= clock_.boot() &&
                   mailbox.in_flight < concurrency_) {
            const Waiter next = std::move(mailbox.waiters.front());
            mailbox.waiters.pop_front();
            ++mailbox.in_flight;
            next.done(Slot(self_, name));
        } else {
            settle(name);
            return;
        }
        if (alive.expired()) {
            return;
        }
    }
}

/// Forgets an idle mailbox; else sees to it that somebody comes when its next time is due.
void MailboxSlots::settle(const std::string& name) {
    const auto found = mailboxes_.find(name);
    Mailbox& mailbox = found->second;
    scheduler_.cancel(std::exchange(mailbox.wake, 0));
    const bool paused = mailbox.paused_until > clock_.boot();
    if (!paused && mailbox.waiters.empty()) {
        if (mailbox.in_flight == 0) {
            mailboxes_.erase(found);
        }
        return;
    }
    BootTime when = paused ? mailbox.paused_until : BootTime::max();
    for (const Waiter& waiter : mailbox.waiters) {
        when = std::min(when, waiter.deadline);
    }
    mailbox.wake = scheduler_.at(when, [this, name] { serve(name); });
}

}  // namespace postbearer::milter
