// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>

#include "common/clock.hh"

namespace postbearer {

/// Runs tasks at a point of CLOCK_BOOTTIME, on the loop's thread. Tests turn one by hand.
class Scheduler {
public:
    using Id = std::uint64_t;  // never 0, never reused
    virtual ~Scheduler() = default;
    /// A time that has passed runs at the loop's next turn, never inside this call.
    virtual Id at(BootTime when, std::function<void()> task) = 0;
    /// An Id that has run or is unknown is ignored.
    virtual void cancel(Id id) = 0;
};

}  // namespace postbearer
