// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

namespace postbearer {

/// Seconds since the Unix epoch, as providers and logs speak of it. It may jump.
using WallTime = std::chrono::sys_time<std::chrono::seconds>;

/// CLOCK_BOOTTIME: never jumps and goes on during suspend, so a token's life is measured on it.
struct BootClock {
    using duration = std::chrono::milliseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<BootClock>;
    // NOLINTNEXTLINE(readability-identifier-naming): a name of the standard's
    static constexpr bool is_steady = true;
    [[nodiscard]] static time_point now() noexcept;
};
using BootTime = BootClock::time_point;

/// The one source of time for objects that act on their own; tests pass one they can turn.
class Clock {
public:
    virtual ~Clock() = default;
    [[nodiscard]] virtual WallTime wall() const noexcept = 0;
    [[nodiscard]] virtual BootTime boot() const noexcept = 0;
};

class SystemClock final : public Clock {
public:
    [[nodiscard]] WallTime wall() const noexcept override;
    [[nodiscard]] BootTime boot() const noexcept override;
};

}  // namespace postbearer
