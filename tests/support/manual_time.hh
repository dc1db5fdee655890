// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "common/clock.hh"
#include "common/scheduler.hh"

namespace postbearer::test {

/// A clock that moves only when told, and the scheduler that goes with it.
class ManualTime final : public Clock, public Scheduler {
public:
    [[nodiscard]] WallTime wall() const noexcept override {
        return std::chrono::floor<std::chrono::seconds>(wall_);
    }
    [[nodiscard]] BootTime boot() const noexcept override { return boot_; }

    Id at(BootTime when, std::function<void()> task) override {
        tasks_.emplace(std::make_pair(when, ++last_), std::move(task));
        return last_;
    }
    void cancel(Id id) override {
        for (auto task = tasks_.begin(); task != tasks_.end(); ++task) {
            if (task->first.second == id) {
                tasks_.erase(task);
                return;
            }
        }
    }

    /// Moves both clocks and runs what becomes due on the way, each task at its own time.
    void advance(std::chrono::milliseconds by) {
        const BootTime end = boot_ + by;
        while (!tasks_.empty() && tasks_.begin()->first.first <= end) {
            move_to(std::max(boot_, tasks_.begin()->first.first));
            const auto task = std::move(tasks_.begin()->second);
            tasks_.erase(tasks_.begin());
            task();
        }
        move_to(std::max(boot_, end));
    }
    void run_due() { advance(std::chrono::milliseconds(0)); }

    /// The machine sleeps: nothing runs on the way, all that is due runs after it.
    void suspend(std::chrono::milliseconds by) {
        move_to(boot_ + by);
        run_due();
    }

    /// What an administrator or NTP does to the wall clock.
    void jump_wall(std::chrono::seconds by) { wall_ += by; }

    /// Tasks that wait: a leaked timer shows here.
    [[nodiscard]] std::size_t pending() const noexcept { return tasks_.size(); }
    [[nodiscard]] std::optional<BootTime> next_due() const {
        return tasks_.empty() ? std::nullopt : std::optional(tasks_.begin()->first.first);
    }

private:
    void move_to(BootTime when) {
        wall_ += when - boot_;
        boot_ = when;
    }

    std::chrono::sys_time<std::chrono::milliseconds> wall_{std::chrono::seconds(1'800'000'000)};
    BootTime boot_{std::chrono::seconds(1'000)};
    Id last_ = 0;
    std::map<std::pair<BootTime, Id>, std::function<void()>> tasks_;
};

}  // namespace postbearer::test
