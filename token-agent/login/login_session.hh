// SPDX-License-Identifier: Apache-2.0
#pragma once

// One login as admin.sock sees it: who waits for news of it, what they are told, and its end.

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.hh"
#include "common/http/http_client.hh"
#include "common/scheduler.hh"
#include "token-agent/login/login_consents.hh"
#include "token-agent/login/login_order.hh"
#include "token-agent/login/login_writer.hh"
#include "token-agent/store/store_queue.hh"
#include "token-agent/token_service.hh"

namespace Json {
class Value;
}

namespace postbearer::agent {

/// Runs only while an operator waits: a device login ends kAbandoned after the last wait was asked
/// for (or after a start or an answer was replied to, which may take its time), and nothing more is
/// sent for it. A reply that nobody may have read counts for nothing. One by browser may take as
/// long as its state lives.
/// Make it with make_shared.
class LoginSession : public std::enable_shared_from_this<LoginSession> {
public:
    struct Services {
        LoginConsents::Services consents;
        StoreQueue& store;
        /// Once, when it has ended; the session is whole then.
        std::function<void(LoginSession&)> ended;
    };
    enum class State : std::uint8_t { Waiting, Storing, Done, Failed };

    static constexpr std::chrono::seconds kLongestWait{10};
    static constexpr std::chrono::seconds kLongestStart{60};
    static constexpr std::chrono::seconds kAbandoned{30};
    static constexpr std::size_t kMaxWaiters = 8;

    LoginSession(Services services, std::string id, LoginOrder order);
    LoginSession(const LoginSession&) = delete;
    LoginSession& operator=(const LoginSession&) = delete;
    LoginSession(LoginSession&&) = delete;
    LoginSession& operator=(LoginSession&&) = delete;
    ~LoginSession();

    /// Answered when there is a code or an address to show, or when it failed.
    void start(Reply reply);
    /// Answered when something has changed since the last answer, after kLongestWait at the latest.
    void wait(Reply reply);
    /// Answered when it is known what came of it: the next step, or the end. What is not our answer
    /// is refused in the framing, and the session goes on.
    void answer(std::string_view url, Reply reply);
    void end(protocol::AgentFailure failure);
    /// Ends it, unless its tokens are here already: they are on their way into the store then, and
    /// `reply` says so.
    void call_off(const Reply& reply);
    void answer_now(const Reply& reply);

    [[nodiscard]] const std::string& id() const noexcept { return id_; }
    [[nodiscard]] const LoginOrder& order() const noexcept { return order_; }
    [[nodiscard]] State state() const noexcept { return state_; }
    [[nodiscard]] bool has_ended() const noexcept {
        return state_ == State::Done || state_ == State::Failed;
    }
    [[nodiscard]] const SignedIn& user() const noexcept { return user_; }
    [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }
    [[nodiscard]] const protocol::AgentFailure& failure() const noexcept { return failure_; }
    [[nodiscard]] std::vector<Resource> consented() const { return consented_; }

private:
    struct Waiter {
        Reply reply;
        BootTime until;
        bool any_news = true;  // else: only a step after `step` that can be shown
        int step = 0;
    };

    void note_progress();
    void changed();
    void consents_ended(LoginConsents::Outcome outcome);
    void writer_ended(const Result<LoginWriter::Written>& outcome);
    void finish(State state);
    void add_waiter(Waiter waiter);
    [[nodiscard]] bool may_be_abandoned() const;
    [[nodiscard]] bool has_news(const Waiter& waiter) const;
    void answer_waiters();
    void arm();
    void timer_ran();
    [[nodiscard]] Json::Value document() const;
    void describe_step(Json::Value& json) const;

    Services services_;
    std::string id_;
    LoginOrder order_;
    std::shared_ptr<LoginConsents> consents_;
    std::shared_ptr<LoginWriter> writer_;
    State state_ = State::Waiting;
    std::vector<Waiter> waiters_;
    std::uint64_t version_ = 1;
    std::uint64_t told_ = 0;
    BootTime asked_after_;  // what kAbandoned counts from
    Scheduler::Id timer_ = 0;

    // What stays when consents_ is gone.
    Resource resource_ = Resource::Smtp;
    int step_ = 0;
    std::vector<Resource> consented_;
    std::vector<std::string> warnings_;
    std::string store_warning_;
    bool called_off_late_ = false;
    SignedIn user_;
    std::uint64_t generation_ = 0;
    protocol::AgentFailure failure_;
};

}  // namespace postbearer::agent
