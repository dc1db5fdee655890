// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "tests/support/loopback_listener.hh"

namespace postbearer::test {

/// An HTTP proxy that takes every CONNECT to one port of 127.0.0.1, or refuses them all.
class ConnectProxy {
public:
    explicit ConnectProxy(std::uint16_t target, std::string refusal = "");

    [[nodiscard]] std::string url(const std::string& credentials = "") const;
    /// The request heads it got.
    [[nodiscard]] std::vector<std::string> heads() const;

private:
    void serve(int fd);

    std::uint16_t target_;
    std::string refusal_;
    mutable std::mutex mutex_;
    std::vector<std::string> heads_;
    LoopbackListener listener_;  // last: its threads use the rest
};

}  // namespace postbearer::test
