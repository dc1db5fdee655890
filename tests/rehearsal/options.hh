// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace postbearer::rehearsal {

struct Options {
    std::string directory;
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;                  // 0: any free one
    std::optional<std::uint16_t> http_port;  // a second listener without TLS
    std::string auth_socket;
    std::string auth_socket_owner;
};

/// The options, or one sentence about what is wrong.
[[nodiscard]] std::variant<Options, std::string> parse_options(
    const std::vector<std::string>& arguments);

}  // namespace postbearer::rehearsal
