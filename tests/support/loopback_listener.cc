// SPDX-License-Identifier: Apache-2.0
#include "tests/support/loopback_listener.hh"

#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include <utility>

namespace postbearer::test {
namespace {

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

}  // namespace

LoopbackListener::LoopbackListener(std::function<void(int)> serve)
    : serve_(std::move(serve)), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    (void)signal(SIGPIPE, SIG_IGN);
    sockaddr_in address = loopback(0);
    socklen_t length = sizeof address;
    (void)bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), length);
    (void)listen(listener_.get(), 64);
    (void)getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
}

LoopbackListener::~LoopbackListener() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        for (const auto& [number, fd] : open_) {
            (void)shutdown(fd.get(), SHUT_RDWR);
        }
    }
    (void)shutdown(listener_.get(), SHUT_RDWR);  // wakes accept(2)
    acceptor_.join();
    for (std::thread& thread : threads_) {
        thread.join();
    }
}

int LoopbackListener::accepted() const {
    const std::lock_guard lock(mutex_);
    return accepted_;
}

void LoopbackListener::accept_all() {
    for (;;) {
        UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!fd.valid()) {
            return;
        }
        const std::lock_guard lock(mutex_);
        if (stopping_) {
            return;
        }
        const int number = accepted_++;
        const int raw = fd.get();
        open_[number] = std::move(fd);
        threads_.emplace_back([this, number, raw] {
            serve_(raw);
            const std::lock_guard done(mutex_);
            open_.erase(number);
        });
    }
}

UniqueFd connect_loopback(std::uint16_t port) {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = loopback(port);
    if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        fd.reset();
    }
    return fd;
}

}  // namespace postbearer::test
