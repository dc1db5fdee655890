// SPDX-License-Identifier: Apache-2.0
#pragma once

// The meaning of requests on agent.sock: who may have what, which provider serves it, and the
// answer. Knows no sockets; the server feeds it blocks and sends what it replies.

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "common/agent_messages.hh"
#include "common/clock.hh"
#include "common/log.hh"
#include "common/service/peer.hh"
#include "token-agent/policy.hh"
#include "token-agent/token_keeper.hh"

namespace postbearer::agent {

/// Takes one whole answer; called once, inside the call that handed it over or later.
using Reply = std::function<void(Secret)>;

class TokenService {
public:
    TokenService(TokenKeeper& keeper, const Clock& clock, Log& log,
                 std::shared_ptr<const Policy> policy);

    /// `block` need not outlive the call.
    void handle(const service::Peer& peer, std::string_view block, Reply reply);

    void reload(std::shared_ptr<const Policy> policy) { policy_ = std::move(policy); }
    [[nodiscard]] const Policy& policy() const noexcept { return *policy_; }

    struct Counters {
        std::uint64_t handed_out = 0;
        std::uint64_t denied = 0;
        std::uint64_t failed = 0;
        std::uint64_t malformed = 0;
    };
    [[nodiscard]] const Counters& counters() const noexcept { return counters_; }

private:
    void handle_token(const service::Peer& peer, const protocol::TokenRequest& request,
                      Reply reply);
    void hand_out(const service::Peer& peer, const std::string& account, Resource resource,
                  const std::string& user, const HandOut& out, const Reply& reply);
    void handle_rejected(const service::Peer& peer, const protocol::RejectedReport& report,
                         Reply& reply);
    [[nodiscard]] tl::expected<const AccountRule*, protocol::AgentFailure> find_rule(
        const service::Peer& peer, Verb verb, const std::string& account, Resource resource);
    void answer_failure(const service::Peer& peer, const std::string& account, Resource resource,
                        const protocol::AgentFailure& failure, const Reply& reply);
    void log_refusal(const service::Peer& peer, const std::string& account, Resource resource,
                     const protocol::AgentFailure& failure);

    TokenKeeper& keeper_;
    const Clock& clock_;
    Log& log_;
    std::shared_ptr<const Policy> policy_;
    Counters counters_;
    /// Lines that refusals may cost; strangers have one of their own, so that they cannot hide
    /// what happens to Postfix.
    struct Budget {
        std::uint32_t lines = 0;  // per interval
        BootTime since;
        std::uint32_t logged = 0;
        std::uint32_t silent = 0;
    };
    [[nodiscard]] bool spend(Budget& budget);
    Budget known_refusals_;
    Budget stranger_refusals_;
};

}  // namespace postbearer::agent
