// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/agent_messages.hh"
#include "common/clock.hh"

namespace postbearer::sasl {

/// Waiting times of one authentication and the one place to look for the agent by default.
struct Limits {
    std::chrono::milliseconds total{10'000};    // all waiting of one session together
    std::chrono::milliseconds wait{8'000};      // what the agent may take of it for a renewal
    std::chrono::milliseconds margin{500};      // kept back for the agent's answer to arrive
    std::chrono::milliseconds rejected{2'000};  // for telling the agent of a refusal
    const char* default_socket = POSTBEARER_RUN_DIR "/agent.sock";
};

/// A socket path that names the same file inside Postfix's chroot and, below the queue directory,
/// outside of it.
inline constexpr char kQueueSocket[] = "run/postbearer/agent.sock";
inline constexpr std::string_view kSocketPrefix = "unix:";

/// Which sockets to try, in order; libpostbearer(8), SOCKET. `password` is what the application
/// gave as password: used only if it begins with "unix:".
[[nodiscard]] std::vector<std::string> choose_sockets(std::string_view password,
                                                      const Limits& limits);

/// The agent as the state machine sees it. Both calls may wait, never beyond `deadline`.
class Agent {
public:
    virtual ~Agent() = default;
    /// Error of the outer result: the agent was not reached or not understood; see AgentClient.
    [[nodiscard]] virtual Result<protocol::TokenAnswer> token(
        const std::vector<std::string>& sockets, protocol::TokenRequest request,
        BootTime deadline) = 0;
    /// Best effort: the server's own refusal is what counts for the mail.
    virtual void report_rejected(const std::vector<std::string>& sockets,
                                 const protocol::RejectedReport& report, BootTime deadline) = 0;
};

/// The real one, over agent.sock. All objects of a process share one kept connection; a thread
/// that finds it in use opens one of its own for the call and never waits for the other.
class AgentLink final : public Agent {
public:
    explicit AgentLink(const Limits& limits) : limits_(limits) {}

    [[nodiscard]] Result<protocol::TokenAnswer> token(const std::vector<std::string>& sockets,
                                                      protocol::TokenRequest request,
                                                      BootTime deadline) override;
    void report_rejected(const std::vector<std::string>& sockets,
                         const protocol::RejectedReport& report, BootTime deadline) override;

    /// For mech_free: the next call connects afresh.
    static void drop_kept_connection() noexcept;

private:
    Limits limits_;
};

}  // namespace postbearer::sasl
