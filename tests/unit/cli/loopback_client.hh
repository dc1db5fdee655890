// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "common/unique_fd.hh"
#include "tests/support/failure.hh"

namespace postbearer::test {

/// A browser's end of a connection. What it sends before the listener looks waits in the kernel, so
/// that one thread can play both.
class LoopbackClient {
public:
    explicit LoopbackClient(std::uint16_t port, const std::string& bytes = "")
        : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const auto* generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
        if (::connect(fd_.get(), generic, sizeof(address)) != 0) {
            fail_errno("cannot connect to the loopback listener");
        }
        send(bytes);
    }

    void send(const std::string& bytes) {
        (void)::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    }
    /// Nothing more will be sent; what comes is still read.
    void finish() { (void)::shutdown(fd_.get(), SHUT_WR); }
    /// All there is until the other side ends it.
    [[nodiscard]] std::string read_all() {
        std::string text;
        char bytes[4096];
        for (;;) {
            pollfd ready{fd_.get(), POLLIN, 0};
            if (::poll(&ready, 1, 30'000) <= 0) {
                fail("no end of the answer");
            }
            const ssize_t got = ::recv(fd_.get(), bytes, sizeof(bytes), 0);
            if (got <= 0) {
                return text;
            }
            text.append(bytes, static_cast<std::size_t>(got));
        }
    }

private:
    UniqueFd fd_;
};

}  // namespace postbearer::test
