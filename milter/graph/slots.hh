// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tl/expected.hpp>

#include "common/clock.hh"
#include "common/scheduler.hh"

namespace postbearer::milter {

class MailboxSlots;

/// The right to one request for a mailbox; given back when it is destroyed.
class Slot {
public:
    Slot() = default;
    Slot(Slot&& other) noexcept;
    Slot& operator=(Slot&& other) noexcept;
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    ~Slot() { release(); }

    /// The next one in line may be called from inside this.
    void release() noexcept;

private:
    friend class MailboxSlots;
    Slot(std::weak_ptr<MailboxSlots*> owner, std::string mailbox)
        : owner_(std::move(owner)), mailbox_(std::move(mailbox)) {}

    std::weak_ptr<MailboxSlots*> owner_;
    std::string mailbox_;
};

/// No slot within the budget.
struct SlotRefusal {
    bool paused = false;                // by Graph's word; else all slots are taken
    std::chrono::seconds time_left{0};  // of the pause, rounded up; 0: not known
};
using SlotAnswer = tl::expected<Slot, SlotRefusal>;

/// Requests in flight for each mailbox, first come first served, and pauses that Graph asked for.
/// Mailboxes that nobody waits for, without requests and pause, are forgotten. Loop's thread.
class MailboxSlots {
public:
    using Done = std::function<void(SlotAnswer)>;

    MailboxSlots(const Clock& clock, Scheduler& scheduler, std::size_t concurrency);
    MailboxSlots(const MailboxSlots&) = delete;
    MailboxSlots& operator=(const MailboxSlots&) = delete;
    MailboxSlots(MailboxSlots&&) = delete;
    MailboxSlots& operator=(MailboxSlots&&) = delete;
    ~MailboxSlots();

    /// Calls `done` once: at once if a slot is free or the pause outlasts `deadline`, else from
    /// inside a release or at `deadline`. Never after this object is gone.
    void acquire(const std::string& mailbox, BootTime deadline, Done done);
    /// No slot is given until then; a longer pause stands.
    void pause(const std::string& mailbox, BootTime until);
    /// What is in flight stays so.
    void set_concurrency(std::size_t concurrency);

    [[nodiscard]] std::size_t in_flight(const std::string& mailbox) const;
    [[nodiscard]] std::size_t waiting(const std::string& mailbox) const;
    [[nodiscard]] std::size_t mailboxes() const noexcept { return mailboxes_.size(); }

private:
    friend class Slot;
    struct Waiter {
        BootTime deadline;
        Done done;
    };
    struct Mailbox {
        std::size_t in_flight = 0;
        BootTime paused_until = BootTime::min();
        std::deque<Waiter> waiters;
        Scheduler::Id wake = 0;
    };

    void give_back(const std::string& mailbox);
    void serve(const std::string& mailbox);
    [[nodiscard]] std::optional<Waiter> next_refused(Mailbox& mailbox) const;
    [[nodiscard]] SlotRefusal refusal(const Mailbox& mailbox) const;
    void settle(const std::string& name);

    const Clock& clock_;
    Scheduler& scheduler_;
    std::size_t concurrency_;
    std::map<std::string, Mailbox> mailboxes_;
    std::shared_ptr<MailboxSlots*> self_;  // slots that outlive us find it gone
};

}  // namespace postbearer::milter
