// SPDX-License-Identifier: Apache-2.0
#pragma once

// The agent's listening sockets, each with its role.

#include <cstdint>
#include <vector>

#include "common/log.hh"
#include "common/result.hh"
#include "common/service/listening_socket.hh"
#include "token-agent/config.hh"

namespace postbearer::agent {

enum class SocketRole : std::uint8_t { Agent, Admin };

struct Listener : service::ListeningSocket {
    SocketRole role = SocketRole::Agent;
};

/// The descriptors systemd passed, matched by name: agent, agent-chroot, admin. Others are named in
/// a warning and closed. Empty without systemd.
[[nodiscard]] Result<std::vector<Listener>> inherited_listeners(Log& log);

/// Adds the configured paths that `listeners` does not cover, with owner and mode (design 4.1).
/// Error: Config, naming path, cause and fix.
[[nodiscard]] Result<void> bind_missing(const AgentConfig& config, std::vector<Listener>& listeners,
                                        Log& log);

/// Removes the sockets that were bound here and are still the same files.
void remove_bound(const std::vector<Listener>& listeners);

}  // namespace postbearer::agent
