// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <vector>

#include "common/clock.hh"
#include "common/scheduler.hh"
#include "milter/graph/agent_link.hh"
#include "milter/graph/graph_tokens.hh"

namespace postbearer::milter {

/// TokenAsker over agent.sock. Every call has its answer within 10 s; the agent is given 8 of them
/// to renew a token. It answers the requests of one connection one after the other, and a token
/// that is being renewed holds up those behind it: so a request takes an idle connection, or opens
/// another one, and only beyond kMaxLinks queues behind others.
///
/// An agent that cannot be reached, or gives no whole answer, is a failure of class Transient whose
/// sentence names the socket. Pending calls end with this object.
class AgentTokens final : public TokenAsker {
public:
    static constexpr std::size_t kMaxLinks = 16;

    /// `host` is what the token is for, as a hint to the agent.
    AgentTokens(boost::asio::io_context& loop, std::string socket_path, std::string host,
                const Clock& clock, Scheduler& scheduler);
    AgentTokens(const AgentTokens&) = delete;
    AgentTokens& operator=(const AgentTokens&) = delete;
    AgentTokens(AgentTokens&&) = delete;
    AgentTokens& operator=(AgentTokens&&) = delete;
    ~AgentTokens() override;

    void ask(const std::string& mailbox, Done done) override;
    void rejected(const std::string& mailbox, const std::string& fingerprint,
                  const std::string& detail, const std::string& claims,
                  std::function<void()> done) override;

private:
    [[nodiscard]] AgentLink& least_busy();
    [[nodiscard]] protocol::TokenAnswer unreachable(const std::string& mailbox,
                                                    const std::string& why) const;

    boost::asio::io_context& loop_;
    std::string path_;
    std::string host_;
    const Clock& clock_;
    Scheduler& scheduler_;
    std::vector<std::shared_ptr<AgentLink>> links_;
};

}  // namespace postbearer::milter
