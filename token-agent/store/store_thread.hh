// SPDX-License-Identifier: Apache-2.0
#pragma once

// A store behind a thread of its own, so that the loop never waits for a disk.

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "token-agent/store/store_queue.hh"

namespace postbearer::agent {

/// Jobs run in the order they were given, one at a time; a long one holds up those behind it, so
/// what goes over many records is given in slices (rekey(), list()). Signals are blocked on the
/// thread. What waits keeps the loop's run() from returning.
class StoreThread final : public StoreQueue {
    /// Only start() makes one.
    struct Starting {
        explicit Starting() = default;
    };

public:
    StoreThread(Starting /*starting*/, std::unique_ptr<TokenStore> store,
                boost::asio::io_context& loop)
        : store_(std::move(store)), loop_(loop) {}
    /// `loop` outlives this. Errors: Unavailable, no thread to be had.
    [[nodiscard]] static Result<std::unique_ptr<StoreThread>> start(
        std::unique_ptr<TokenStore> store, boost::asio::io_context& loop);
    /// Runs what was accepted and waits for it; then the store is closed. Its `then`s are posted
    /// and run only if the loop still does.
    ~StoreThread() override;
    StoreThread(const StoreThread&) = delete;
    StoreThread& operator=(const StoreThread&) = delete;
    StoreThread(StoreThread&&) = delete;
    StoreThread& operator=(StoreThread&&) = delete;

    /// From any thread but the store's.
    void post(std::function<void(TokenStore&)> job, std::function<void()> then) override;

    /// Jobs that have not ended.
    [[nodiscard]] std::size_t waiting() const;

private:
    struct Job {
        std::function<void(TokenStore&)> work;
        std::function<void()> then;
        boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard;
    };
    /// What both threads use, under its lock.
    struct Shared {
        mutable std::mutex lock;
        std::condition_variable changed;
        std::deque<Job> jobs;
        bool running = false;  // a job that is in `jobs` no more
        bool ending = false;
    };

    void run() noexcept;
    void run_job(Job& job) noexcept;

    std::unique_ptr<TokenStore> store_;
    boost::asio::io_context& loop_;
    Shared shared_;
    std::thread thread_;
};

}  // namespace postbearer::agent
