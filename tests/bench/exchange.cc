// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/exchange.hh"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>

#include "tests/support/failure.hh"

namespace postbearer::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kBufferBytes = 64 * 1024;
constexpr int kStuckMs = 10'000;

UniqueFd connect_to(const test::Path& socket) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string& path = socket.native();
    if (path.size() >= sizeof address.sun_path) {
        test::fail("too long for a socket: " + path);
    }
    path.copy(std::begin(address.sun_path), path.size());
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the sockets API
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        test::fail_errno("cannot connect to " + path);
    }
    return fd;
}

/// Requests are small: the kernel takes them whole.
void send_whole(int fd, std::string_view bytes) {
    if (::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(bytes.size())) {
        test::fail_errno("cannot send a request");
    }
}

std::size_t receive_some(int fd, char* space, std::size_t bytes, int flags) {
    const ssize_t got = ::recv(fd, space, bytes, flags);
    if (got > 0) {
        return static_cast<std::size_t>(got);
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    test::fail_errno(got == 0 ? "the server closed the connection" : "cannot receive");
}

}  // namespace

KeptConnection::KeptConnection(const test::Path& socket)
    : fd_(connect_to(socket)), buffer_(kBufferBytes) {}

std::string_view KeptConnection::exchange(std::string_view request) {
    send_whole(fd_.get(), request);
    std::size_t held = 0;
    do {
        held += receive_some(fd_.get(), buffer_.data() + held, buffer_.size() - held, 0);
    } while (!std::string_view(buffer_.data(), held).ends_with("\n\n"));
    return {buffer_.data(), held};
}

LoadClient::LoadClient(const test::Path& socket, std::size_t connections,
                       std::vector<std::string> requests, std::size_t answer_bytes)
    : connections_(connections),
      requests_(std::move(requests)),
      answer_bytes_(answer_bytes),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      buffer_(kBufferBytes) {
    for (std::size_t i = 0; i < connections; ++i) {
        connections_[i].fd = connect_to(socket);
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = i;
        if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, connections_[i].fd.get(), &event) != 0) {
            test::fail_errno("epoll_ctl");
        }
    }
}

void LoadClient::ask(Connection& connection) {
    connection.received = 0;
    send_whole(connection.fd.get(), requests_[next_request_]);
    next_request_ = (next_request_ + 1) % requests_.size();
}

bool LoadClient::take(Connection& connection) {
    connection.received +=
        receive_some(connection.fd.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (connection.received > answer_bytes_) {
        test::fail("an answer of " + std::to_string(connection.received) + " bytes instead of " +
                   std::to_string(answer_bytes_));
    }
    return connection.received == answer_bytes_;
}

LoadClient::Load LoadClient::run(Nanoseconds time) {
    const Clock::time_point begin = Clock::now();
    const Clock::time_point last_request = begin + time;
    for (Connection& connection : connections_) {
        ask(connection);
    }
    Load load;
    std::size_t under_way = connections_.size();
    std::array<epoll_event, 64> events{};
    while (under_way > 0) {
        const int count =
            ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), kStuckMs);
        if (count == 0 || (count < 0 && errno != EINTR)) {
            test::fail("no answer for " + std::to_string(kStuckMs) + " ms");
        }
        const bool asking = Clock::now() < last_request;
        for (int i = 0; i < count; ++i) {
            Connection& connection = connections_[events[static_cast<std::size_t>(i)].data.u64];
            if (!take(connection)) {
                continue;
            }
            ++load.answers;
            if (asking) {
                ask(connection);
            } else {
                --under_way;
            }
        }
    }
    load.time = Clock::now() - begin;
    return load;
}

}  // namespace postbearer::bench
