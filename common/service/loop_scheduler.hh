// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <map>
#include <unordered_map>
#include <utility>

#include "common/result.hh"
#include "common/scheduler.hh"

namespace postbearer::service {

/// Scheduler on one timerfd of CLOCK_BOOTTIME (asio's own timers stop during suspend).
class LoopScheduler final : public Scheduler {
public:
    explicit LoopScheduler(boost::asio::io_context& loop) : timer_(loop) {}

    /// Must succeed before the first at().
    [[nodiscard]] Result<void> open();

    Id at(BootTime when, std::function<void()> task) override;
    void cancel(Id id) override;

private:
    using Key = std::pair<BootTime, Id>;

    void arm();
    void wait();
    void run_due();

    boost::asio::posix::stream_descriptor timer_;
    std::map<Key, std::function<void()>> tasks_;
    std::unordered_map<Id, BootTime> when_;
    Id next_id_ = 1;
    BootTime armed_for_ = BootTime::max();
};

}  // namespace postbearer::service
