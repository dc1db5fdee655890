// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "common/unique_fd.hh"

namespace postbearer::test {

/// Listens on 127.0.0.1 and runs one thread per connection. The destructor cuts all connections
/// and waits for the threads. Ignores SIGPIPE for the process.
class LoopbackListener {
public:
    /// `serve` gets the connected descriptor, which stays ours.
    explicit LoopbackListener(std::function<void(int)> serve);
    LoopbackListener(const LoopbackListener&) = delete;
    LoopbackListener& operator=(const LoopbackListener&) = delete;
    LoopbackListener(LoopbackListener&&) = delete;
    LoopbackListener& operator=(LoopbackListener&&) = delete;
    ~LoopbackListener();

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    [[nodiscard]] int accepted() const;

private:
    void accept_all();

    std::function<void(int)> serve_;
    UniqueFd listener_;
    std::uint16_t port_ = 0;
    mutable std::mutex mutex_;
    std::map<int, UniqueFd> open_;  // by number of connection
    int accepted_ = 0;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
    std::thread acceptor_;  // last: it uses the rest
};

/// Connects to 127.0.0.1; an invalid descriptor says it failed.
[[nodiscard]] UniqueFd connect_loopback(std::uint16_t port);

}  // namespace postbearer::test
