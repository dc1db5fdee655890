// SPDX-License-Identifier: Apache-2.0
#include "common/clock.hh"

#include <time.h>

namespace postbearer {

BootTime BootClock::now() noexcept {
    timespec now{};
    (void)clock_gettime(CLOCK_BOOTTIME, &now);  // cannot fail with this clock and a valid pointer
    return BootTime(std::chrono::duration_cast<duration>(std::chrono::seconds(now.tv_sec) +
                                                         std::chrono::nanoseconds(now.tv_nsec)));
}

WallTime SystemClock::wall() const noexcept {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

BootTime SystemClock::boot() const noexcept { return BootClock::now(); }

}  // namespace postbearer
