// SPDX-License-Identifier: Apache-2.0
#include "common/service/loop_scheduler.hh"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <string>

namespace postbearer::service {

using boost::system::error_code;

Result<void> LoopScheduler::open() {
    const int fd = ::timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fd < 0) {
        return failure(Errc::Internal, "timerfd_create: errno " + std::to_string(errno));
    }
    timer_.assign(fd);
    wait();
    return {};
}

Scheduler::Id LoopScheduler::at(BootTime when, std::function<void()> task) {
    const Id id = next_id_++;
    tasks_.emplace(Key(when, id), std::move(task));
    when_.emplace(id, when);
    if (when < armed_for_) {
        arm();
    }
    return id;
}

void LoopScheduler::cancel(Id id) {
    const auto found = when_.find(id);
    if (found != when_.end()) {
        // The timer stays armed: an early wake-up costs less than a system call per cancel.
        tasks_.erase(Key(found->second, id));
        when_.erase(found);
    }
}

void LoopScheduler::arm() {
    if (tasks_.empty()) {
        armed_for_ = BootTime::max();
        return;
    }
    armed_for_ = tasks_.begin()->first.first;
    // Zero would disarm it; a time that has passed fires at once.
    const auto when = std::max(armed_for_.time_since_epoch(), BootClock::duration(1));
    const auto whole = std::chrono::floor<std::chrono::seconds>(when);
    itimerspec setting{};
    setting.it_value.tv_sec = whole.count();
    setting.it_value.tv_nsec = std::chrono::nanoseconds(when - whole).count();
    (void)::timerfd_settime(timer_.native_handle(), TFD_TIMER_ABSTIME, &setting, nullptr);
}

void LoopScheduler::wait() {
    timer_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                      [this](const error_code& error) {
                          if (error) {
                              return;  // the loop is ending
                          }
                          std::uint64_t expirations = 0;
                          (void)!::read(timer_.native_handle(), &expirations, sizeof expirations);
                          wait();  // before the tasks: one that throws must not stop the clock
                          run_due();
                      });
}

void LoopScheduler::run_due() {
    const BootTime now = BootClock::now();
    // Tasks that these tasks add for "now" wait for the next turn, so that I/O gets its share.
    const Id newest = next_id_;
    armed_for_ = BootTime::min();
    for (;;) {
        const auto due = std::find_if(tasks_.begin(), tasks_.end(), [&](const auto& task) {
            return task.first.first > now || task.first.second < newest;
        });
        if (due == tasks_.end() || due->first.first > now) {
            break;
        }
        auto node = tasks_.extract(due);
        when_.erase(node.key().second);
        arm();
        node.mapped()();
    }
    arm();
}

}  // namespace postbearer::service
