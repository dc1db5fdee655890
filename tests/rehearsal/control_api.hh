// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "control_answer.hh"
#include "graph_control.hh"
#include "login_control.hh"
#include "service.hh"

namespace postbearer::rehearsal {

/// A test that waits for something: answer when the counter has got there, or too late.
struct Waiting {
    std::string counter;
    std::uint64_t at_least = 0;
    std::chrono::milliseconds timeout{10000};
};

/// What the tests say on control.sock (README.md), apart from the transport.
class ControlApi {
public:
    explicit ControlApi(Service& service)
        : service_(service), graph_(service.graph()), logins_(service) {}

    [[nodiscard]] ControlAnswer handle(const HttpRequest& request, WallTime now);
    /// GET /wait?counter=NAME&at_least=N&timeout_ms=M; nothing for any other request.
    [[nodiscard]] std::optional<Waiting> waiting(const HttpRequest& request) const;
    [[nodiscard]] bool reached(const Waiting& waiting) const;

private:
    [[nodiscard]] ControlAnswer read(const std::string& what) const;
    [[nodiscard]] ControlAnswer remove(const std::vector<std::string>& path);
    [[nodiscard]] ControlAnswer write(const HttpRequest& request,
                                      const std::vector<std::string>& path, WallTime now);
    [[nodiscard]] ControlAnswer put_client(const std::string& id, const Json::Value& json);
    [[nodiscard]] ControlAnswer mint(const Json::Value& json, WallTime now);

    [[nodiscard]] std::map<std::string, std::uint64_t> counters() const;

    Service& service_;
    GraphControl graph_;
    LoginControl logins_;
};

}  // namespace postbearer::rehearsal
