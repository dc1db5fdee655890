// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the agent's listening sockets come from: systemd (by FileDescriptorName) or bind(2).

#include <sys/types.h>

#include <string>
#include <vector>

#include "common/log.hh"
#include "common/result.hh"
#include "common/unique_fd.hh"
#include "token-agent/config.hh"

namespace postbearer::agent {

enum class SocketRole : std::uint8_t { Agent, Admin };

struct Listener {
    SocketRole role = SocketRole::Agent;
    std::string path;
    UniqueFd socket;
    bool ours = false;  // bound here, so removed at the end
    dev_t device = 0;   // of the path as bound, to remove no successor's socket
    ino_t inode = 0;
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
