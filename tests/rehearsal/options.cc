// SPDX-License-Identifier: Apache-2.0
#include "options.hh"

#include <charconv>

namespace postbearer::rehearsal {

std::variant<Options, std::string> parse_options(const std::vector<std::string>& arguments) {
    Options options;
    for (std::size_t i = 0; i < arguments.size(); i += 2) {
        const std::string& name = arguments[i];
        if (i + 1 == arguments.size()) {
            return name + ": unknown, or its value is missing";
        }
        const std::string& value = arguments[i + 1];
        if (name == "--directory") {
            options.directory = value;
        } else if (name == "--address") {
            options.address = value;
        } else if (name == "--auth-socket") {
            options.auth_socket = value;
        } else if (name == "--auth-socket-owner") {
            options.auth_socket_owner = value;
        } else if (name == "--port" || name == "--http-port") {
            std::uint16_t port = 0;
            const char* const end = value.data() + value.size();
            const auto [stop, error] = std::from_chars(value.data(), end, port);
            if (error != std::errc() || stop != end) {
                return name + " " + value + ": a number up to 65535 is expected";
            }
            if (name == "--port") {
                options.port = port;
            } else {
                options.http_port = port;
            }
        } else {
            return name + ": unknown option";
        }
    }
    if (options.directory.empty()) {
        return std::string("--directory is missing");
    }
    return options;
}

}  // namespace postbearer::rehearsal
