// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace postbearer::agent {

struct SocketPaths {
    std::vector<std::string> agent;
    std::string admin;
};

/// Where the agent of this configuration listens. Lenient: what cannot be read or is wrong falls
/// back to the default, because the command line must reach a running agent all the same.
[[nodiscard]] SocketPaths load_socket_paths(const std::string& config_path);

}  // namespace postbearer::agent
