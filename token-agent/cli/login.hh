// SPDX-License-Identifier: Apache-2.0
#pragma once

// postbearer login: what it prints and asks; the agent does the OAuth part.

#include <json/value.h>

#include <optional>
#include <string>
#include <string_view>

#include "token-agent/cli/command.hh"
#include "token-agent/cli/console.hh"

namespace postbearer::cli {

/// run_login() with a console of the caller's; the exit code.
[[nodiscard]] int login(const Options& options, const Console& console);

/// What tells whether a browser runs beside this program.
struct Surroundings {
    std::string ssh_connection;  // $SSH_CONNECTION
    bool display = false;        // DISPLAY or WAYLAND_DISPLAY is set
    std::string host_name;

    [[nodiscard]] static Surroundings of_process();
};

/// The line to run on the desktop so that its browser reaches our port; nullopt: not needed.
[[nodiscard]] std::optional<std::string> tunnel_line(const Surroundings& surroundings,
                                                     std::uint16_t port);

}  // namespace postbearer::cli
