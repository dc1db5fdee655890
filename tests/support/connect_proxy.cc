// SPDX-License-Identifier: Apache-2.0
#include "tests/support/connect_proxy.hh"

#include <poll.h>
#include <sys/socket.h>

#include <string_view>
#include <utility>

namespace postbearer::test {
namespace {

bool pass(int from, int to) {
    char chunk[16384];
    const ssize_t count = recv(from, chunk, sizeof chunk, 0);
    return count > 0 && send(to, chunk, static_cast<std::size_t>(count), 0) == count;
}

void relay(int a, int b) {
    pollfd both[] = {{a, POLLIN, 0}, {b, POLLIN, 0}};
    while (poll(both, 2, -1) > 0) {
        if ((both[0].revents != 0 && !pass(a, b)) || (both[1].revents != 0 && !pass(b, a))) {
            return;
        }
    }
}

}  // namespace

ConnectProxy::ConnectProxy(std::uint16_t target, std::string refusal)
    : target_(target), refusal_(std::move(refusal)), listener_([this](int fd) { serve(fd); }) {}

std::string ConnectProxy::url(const std::string& credentials) const {
    return "http://" + credentials + "127.0.0.1:" + std::to_string(listener_.port());
}

std::vector<std::string> ConnectProxy::heads() const {
    const std::lock_guard lock(mutex_);
    return heads_;
}

void ConnectProxy::serve(int fd) {
    std::string head;
    char byte = 0;
    while (head.find("\r\n\r\n") == std::string::npos) {
        if (recv(fd, &byte, 1, 0) != 1) {
            return;
        }
        head += byte;
    }
    {
        const std::lock_guard lock(mutex_);
        heads_.push_back(head);
    }
    const std::string answer = "HTTP/1.1 " + (refusal_.empty() ? "200 OK" : refusal_) + "\r\n\r\n";
    (void)send(fd, answer.data(), answer.size(), 0);
    const UniqueFd target = connect_loopback(target_);
    if (refusal_.empty() && target.valid()) {
        relay(fd, target.get());
    }
}

}  // namespace postbearer::test
