// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sessions and servers on real Unix sockets, with the loop and the clock turned by hand.

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <string>
#include <string_view>

#include "common/unique_fd.hh"
#include "tests/support/capture_log.hh"
#include "tests/support/failure.hh"
#include "tests/support/manual_time.hh"
#include "token-agent/session.hh"

namespace postbearer::agent {

/// One end of a connection, never blocking.
class TestClient {
public:
    TestClient() = default;
    explicit TestClient(UniqueFd fd) : fd_(std::move(fd)) {}
    explicit TestClient(const std::string& path)
        : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(std::begin(address.sun_path), sizeof address.sun_path - 1);
        const auto* const generic =
            static_cast<const sockaddr*>(static_cast<const void*>(&address));
        if (!fd_.valid() || ::connect(fd_.get(), generic, sizeof address) != 0) {
            test::fail_errno("connect " + path);
        }
    }

    /// Bytes that the socket took.
    std::size_t send(std::string_view bytes) const {
        const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        return sent < 0 ? 0 : static_cast<std::size_t>(sent);
    }
    void end_of_requests() const { (void)::shutdown(fd_.get(), SHUT_WR); }
    void hang_up() { fd_.reset(); }

    /// What has come so far, all of it.
    const std::string& received() {
        std::array<char, 65536> buffer{};
        for (;;) {
            const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
            if (got > 0) {
                received_.append(buffer.data(), static_cast<std::size_t>(got));
                continue;
            }
            closed_ = closed_ || got == 0 || (errno != EAGAIN && errno != EINTR);
            return received_;
        }
    }
    [[nodiscard]] bool closed() {
        (void)received();
        return closed_;
    }
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }

private:
    UniqueFd fd_;
    std::string received_;
    bool closed_ = false;
};

inline std::string bad_request(std::string_view message) {
    return "status=error\nclass=bad_request\ncode=syntax\nmessage=" + std::string(message) + "\n\n";
}

struct LoopRoom {
    /// Runs the loop until it has nothing to do at once.
    void settle() {
        loop.restart();
        while (loop.poll() > 0) {
        }
    }
    /// In steps, as the loop's scheduler would.
    void pass(std::chrono::milliseconds time_to_pass) {
        constexpr std::chrono::milliseconds kStep{125};
        for (std::chrono::milliseconds done{}; done < time_to_pass; done += kStep) {
            time.advance(std::min(kStep, time_to_pass - done));
            settle();
        }
    }

    boost::asio::io_context loop{1};
    test::ManualTime time;
    test::CaptureLog log;
};

}  // namespace postbearer::agent
