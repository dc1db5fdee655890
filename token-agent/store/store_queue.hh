// SPDX-License-Identifier: Apache-2.0
#pragma once

// How the loop uses a store without waiting for a disk: jobs run one after the other, in the order
// they were given, on a thread of the store's own; what they found comes back to the loop.

#include <functional>
#include <memory>
#include <utility>

#include "common/result.hh"
#include "token-agent/store/token_store.hh"

namespace postbearer::agent {

class StoreQueue {
public:
    virtual ~StoreQueue() = default;
    /// `job` runs on the store's thread, `then` afterwards on the loop's, later and never inside
    /// this call. Neither may throw. After shutdown has begun, `then` may never run.
    virtual void post(std::function<void(TokenStore&)> job, std::function<void()> then) = 0;
};

/// One job with an answer. `job` is called as Result<T>(TokenStore&).
template <typename T>
void ask_store(StoreQueue& queue, std::function<Result<T>(TokenStore&)> job,
               std::function<void(Result<T>)> done) {
    auto answer = std::make_shared<Result<T>>(failure(Errc::Internal, "the store did not answer"));
    queue.post([answer, job = std::move(job)](TokenStore& store) { *answer = job(store); },
               [answer, done = std::move(done)] { done(std::move(*answer)); });
}

}  // namespace postbearer::agent
