// SPDX-License-Identifier: Apache-2.0
#pragma once

// Puts a finished login into the store, and tries again while that cannot be written: a refresh
// token must not be lost because a disk is full.

#include <functional>
#include <memory>
#include <string>

#include "common/clock.hh"
#include "common/scheduler.hh"
#include "token-agent/login/login_consents.hh"
#include "token-agent/store/store_queue.hh"

namespace postbearer::agent {

/// Make it with make_shared; once stop() was called or it is gone, no callback runs, and what a job
/// in the queue still writes stays written.
class LoginWriter : public std::enable_shared_from_this<LoginWriter> {
public:
    struct Written {
        std::uint64_t generation = 0;
        std::string access_note;  // the login is stored, its access tokens are not; empty: they are
    };
    struct Callbacks {
        std::function<void(const Error&)> trouble;  // each time it could not be written
        std::function<void(Result<Written>)> ended;
    };

    static constexpr std::chrono::seconds kInterval{10};
    static constexpr std::chrono::minutes kPatience{10};

    LoginWriter(StoreQueue& queue, const Clock& clock, Scheduler& scheduler, RecordName name,
                ConsentedTokens tokens, bool keep_access, Callbacks callbacks);
    LoginWriter(const LoginWriter&) = delete;
    LoginWriter& operator=(const LoginWriter&) = delete;
    LoginWriter(LoginWriter&&) = delete;
    LoginWriter& operator=(LoginWriter&&) = delete;
    ~LoginWriter();

    void start();
    void stop();
    [[nodiscard]] BootTime gives_up_at() const noexcept { return gives_up_at_; }

private:
    struct Record;
    void write();
    void written(Result<Written> outcome);

    StoreQueue& queue_;
    const Clock& clock_;
    Scheduler& scheduler_;
    std::shared_ptr<const Record> record_;  // jobs share it
    Callbacks callbacks_;
    BootTime gives_up_at_;
    Scheduler::Id timer_ = 0;
    bool over_ = false;
};

}  // namespace postbearer::agent
