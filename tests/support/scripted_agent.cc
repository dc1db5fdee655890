// SPDX-License-Identifier: Apache-2.0
#include "tests/support/scripted_agent.hh"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

#include "tests/support/failure.hh"

namespace postbearer::test {
namespace {

constexpr int kBacklog = 64;

UniqueFd listen_at(const Path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string text = path.string();
    if (text.size() >= sizeof(address.sun_path)) {
        fail("socket path too long: " + text);
    }
    text.copy(std::begin(address.sun_path), text.size());
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    (void)::unlink(text.c_str());
    const auto* const generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
    if (!fd.valid() || ::bind(fd.get(), generic, sizeof(address)) != 0 ||
        ::listen(fd.get(), kBacklog) != 0) {
        fail_errno("cannot listen at " + text);
    }
    return fd;
}

void send_text(int fd, const std::string& text) {
    std::size_t sent = 0;
    while (sent < text.size()) {
        const ssize_t count = ::send(fd, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
        if (count <= 0) {
            return;  // the client went away, as some tests want
        }
        sent += static_cast<std::size_t>(count);
    }
}

}  // namespace

std::string grant_text(const std::string& token, const std::string& user) {
    return "status=ok\ntoken=" + token + "\ntoken_type=Bearer\nuser=" + user +
           "\nexpires_at=4102444800\nfingerprint=9f1c22ab\n\n";
}

std::string failure_text(const std::string& failure_class, const std::string& code,
                         const std::string& message) {
    return "status=error\nclass=" + failure_class + "\ncode=" + code + "\nmessage=" + message +
           "\n\n";
}

ScriptedAgent::ScriptedAgent(Path socket, std::vector<Reply> script)
    : socket_(std::move(socket)),
      listener_(listen_at(socket_)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      script_(std::move(script)),
      thread_([this] { run(); }) {}

ScriptedAgent::~ScriptedAgent() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake();
    thread_.join();
    (void)::unlink(socket_.c_str());
}

std::vector<std::string> ScriptedAgent::requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
}

std::size_t ScriptedAgent::accepted() const {
    const std::lock_guard lock(mutex_);
    return accepted_;
}

bool ScriptedAgent::wait_for_requests(std::size_t count) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::minutes(1),
                             [&] { return requests_.size() >= count; });
}

void ScriptedAgent::release() {
    {
        const std::lock_guard lock(mutex_);
        released_ = true;
    }
    wake();
}

void ScriptedAgent::close_connections() {
    std::unique_lock lock(mutex_);
    close_wanted_ = true;
    wake();
    changed_.wait(lock, [&] { return !close_wanted_; });
}

void ScriptedAgent::blurt(const std::string& text) {
    std::unique_lock lock(mutex_);
    blurt_ = text;
    wake();
    changed_.wait(lock, [&] { return blurt_.empty(); });
}

void ScriptedAgent::wake() const {
    const std::uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof(one));
}

void ScriptedAgent::run() {
    for (;;) {
        std::vector<pollfd> watched{{listener_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
        for (const auto& [fd, connection] : connections_) {
            watched.push_back({fd, POLLIN, 0});
        }
        if (::poll(watched.data(), watched.size(), -1) < 0) {
            continue;
        }
        handle_orders();
        {
            const std::lock_guard lock(mutex_);
            if (stopping_) {
                return;
            }
        }
        for (const pollfd& ready : watched) {
            if (ready.revents == 0 || ready.fd == wake_.get()) {
                continue;
            }
            if (ready.fd == listener_.get()) {
                accept_one();
            } else if (const auto found = connections_.find(ready.fd);
                       found != connections_.end()) {
                read_from(found->second);
            }
        }
    }
}

void ScriptedAgent::handle_orders() {
    std::uint64_t count = 0;
    (void)!::read(wake_.get(), &count, sizeof(count));
    const std::lock_guard lock(mutex_);
    if (close_wanted_) {
        connections_.clear();
        close_wanted_ = false;
    }
    for (auto& [fd, connection] : connections_) {
        if (!blurt_.empty()) {
            send_text(fd, blurt_);
        }
        if (released_ && !connection.held.empty()) {
            send_text(fd, std::exchange(connection.held, {}));
        }
    }
    blurt_.clear();
    changed_.notify_all();
}

void ScriptedAgent::accept_one() {
    UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd.valid()) {
        return;
    }
    bool close = false;
    {
        const std::lock_guard lock(mutex_);
        ++accepted_;
        close = next_closes_at_accept();
    }
    if (close) {
        (void)next_reply();
        return;
    }
    const int number = fd.get();
    connections_[number] = Connection{std::move(fd), {}, {}};
}

bool ScriptedAgent::next_closes_at_accept() const {
    const std::size_t index = std::min(position_, script_.size() - 1);
    return script_[index].kind == Reply::Kind::CloseAtAccept;
}

Reply ScriptedAgent::next_reply() {
    const std::lock_guard lock(mutex_);
    const Reply reply = script_[std::min(position_, script_.size() - 1)];
    ++position_;
    return reply;
}

void ScriptedAgent::read_from(Connection& connection) {
    char bytes[4096];
    const ssize_t count = ::recv(connection.fd.get(), bytes, sizeof(bytes), 0);
    if (count <= 0) {
        connections_.erase(connection.fd.get());
        return;
    }
    connection.received.append(bytes, static_cast<std::size_t>(count));
    const std::size_t end = connection.received.find("\n\n");
    if (end == std::string::npos) {
        return;
    }
    {
        const std::lock_guard lock(mutex_);
        requests_.push_back(connection.received.substr(0, end + 2));
    }
    connection.received.erase(0, end + 2);
    reply_to(connection);
    changed_.notify_all();
}

void ScriptedAgent::reply_to(Connection& connection) {
    const Reply reply = next_reply();
    const int fd = connection.fd.get();
    switch (reply.kind) {
        case Reply::Kind::Answer:
            send_text(fd, reply.text);
            break;
        case Reply::Kind::AnswerAndClose:
            send_text(fd, reply.text);
            connections_.erase(fd);
            break;
        case Reply::Kind::Held: {
            const std::lock_guard lock(mutex_);
            if (released_) {
                send_text(fd, reply.text);
            } else {
                connection.held = reply.text;
            }
            break;
        }
        case Reply::Kind::CloseAtAccept:
            connections_.erase(fd);
            break;
        case Reply::Kind::Hang:
            break;
    }
}

}  // namespace postbearer::test
