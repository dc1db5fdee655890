// SPDX-License-Identifier: Apache-2.0
#pragma once

// The two kinds of clients: one that waits for each answer, one that keeps many requests under way.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/unique_fd.hh"
#include "tests/support/files.hh"

namespace postbearer::bench {

using Nanoseconds = std::chrono::nanoseconds;

/// Nothing but send(2) and recv(2): the shortest way to an answer over a kept connection.
class KeptConnection {
public:
    explicit KeptConnection(const test::Path& socket);

    /// The answer, up to its empty line; valid until the next call.
    [[nodiscard]] std::string_view exchange(std::string_view request);

private:
    UniqueFd fd_;
    std::vector<char> buffer_;
};

/// One process, one epoll, one request under way on each of its kept connections.
class LoadClient {
public:
    /// Every answer must have `answer_bytes`; `requests` are used in turn.
    LoadClient(const test::Path& socket, std::size_t connections, std::vector<std::string> requests,
               std::size_t answer_bytes);

    struct Load {
        std::uint64_t answers = 0;
        Nanoseconds time{};
    };
    /// New requests for so long, then the last answers.
    Load run(Nanoseconds time);

private:
    struct Connection {
        UniqueFd fd;
        std::size_t received = 0;
    };
    void ask(Connection& connection);
    /// True when this was the last of the answer.
    bool take(Connection& connection);

    std::vector<Connection> connections_;
    std::vector<std::string> requests_;
    std::size_t next_request_ = 0;
    std::size_t answer_bytes_;
    UniqueFd epoll_;
    std::vector<char> buffer_;
};

}  // namespace postbearer::bench
