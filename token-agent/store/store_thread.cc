// SPDX-License-Identifier: Apache-2.0
#include "token-agent/store/store_thread.hh"

#include <pthread.h>
#include <signal.h>

#include <boost/asio/post.hpp>
#include <system_error>
#include <utility>

namespace postbearer::agent {
namespace {

/// A thread inherits the mask of the one that makes it; signals are the loop's.
class SignalsBlocked {
public:
    SignalsBlocked() {
        sigset_t all;
        (void)::sigfillset(&all);
        (void)::pthread_sigmask(SIG_SETMASK, &all, &before_);  // fails only on a wrong `how`
    }
    ~SignalsBlocked() { (void)::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;
    SignalsBlocked(SignalsBlocked&&) = delete;
    SignalsBlocked& operator=(SignalsBlocked&&) = delete;

private:
    sigset_t before_{};
};

}  // namespace

Result<std::unique_ptr<StoreThread>> StoreThread::start(std::unique_ptr<TokenStore> store,
                                                        boost::asio::io_context& loop) {
    auto made = std::make_unique<StoreThread>(Starting(), std::move(store), loop);
    const SignalsBlocked guard;
    try {
        made->thread_ = std::thread([&self = *made] { self.run(); });
    } catch (const std::system_error& error) {
        return failure(Errc::Unavailable,
                       std::string("no thread for the token store: ") + error.what());
    }
    return made;
}

StoreThread::~StoreThread() {
    {
        const std::lock_guard lock(shared_.lock);
        shared_.ending = true;
    }
    shared_.changed.notify_one();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void StoreThread::post(std::function<void(TokenStore&)> job, std::function<void()> then) {
    {
        const std::lock_guard lock(shared_.lock);
        shared_.jobs.push_back(
            {std::move(job), std::move(then), boost::asio::make_work_guard(loop_)});
    }
    shared_.changed.notify_one();
}

std::size_t StoreThread::waiting() const {
    const std::lock_guard lock(shared_.lock);
    return shared_.jobs.size() + (shared_.running ? 1 : 0);
}

void StoreThread::run_job(Job& job) noexcept {
    try {
        job.work(*store_);
    } catch (...) {
        // It was not to throw; what it was to find out stays what it was, and `then` says so.
    }
    {
        const std::lock_guard lock(shared_.lock);
        shared_.running = false;
    }
    try {
        // What a job has captured may be secrets and sockets of the loop's: it goes with `then`.
        boost::asio::post(loop_,
                          [work = std::move(job.work), then = std::move(job.then)] { then(); });
    } catch (...) {
        // No memory for a closure: there is nobody to tell, and the loop has the same trouble.
    }
}

void StoreThread::run() noexcept {
    std::unique_lock lock(shared_.lock);
    for (;;) {
        shared_.changed.wait(lock, [this] { return shared_.ending || !shared_.jobs.empty(); });
        if (shared_.jobs.empty()) {
            return;
        }
        Job job = std::move(shared_.jobs.front());
        shared_.jobs.pop_front();
        shared_.running = true;
        lock.unlock();
        run_job(job);
        lock.lock();
    }
}

}  // namespace postbearer::agent
