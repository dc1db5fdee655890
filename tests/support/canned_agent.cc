// SPDX-License-Identifier: Apache-2.0
#include "tests/support/canned_agent.hh"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "tests/support/failure.hh"

namespace postbearer::test {
namespace {

AgentAttributes parse(const std::string& message) {
    AgentAttributes attributes;
    for (const std::string& line : split_lines(message)) {
        const std::size_t equals = line.find('=');
        if (equals != std::string::npos) {
            attributes[line.substr(0, equals)] = line.substr(equals + 1);
        }
    }
    return attributes;
}

}  // namespace

struct CannedAgent::Connection {
    UniqueFd fd;
    std::string buffer;
    std::string dripping;  // sent byte by byte
};

CannedAnswer attributes(const AgentAttributes& answer) {
    std::string text = "status=" + answer.at("status") + "\n";
    for (const auto& [name, value] : answer) {
        if (name != "status") {
            text += name + "=" + value + "\n";
        }
    }
    return {CannedAnswer::Kind::Text, text + "\n"};
}

CannedAnswer granted(const std::string& token, const std::string& user) {
    return attributes({{"status", "ok"},
                       {"token", token},
                       {"token_type", "Bearer"},
                       {"user", user},
                       {"expires_at", "4000000000"},
                       {"fingerprint", "9f1c22ab"}});
}

CannedAnswer refused(const std::string& failure_class, const std::string& code,
                     const std::string& message) {
    return attributes(
        {{"status", "error"}, {"class", failure_class}, {"code", code}, {"message", message}});
}

CannedAnswer hanging() { return {CannedAnswer::Kind::Hang, ""}; }

CannedAnswer closing() { return {CannedAnswer::Kind::Close, ""}; }

CannedAgent::CannedAgent(Path socket, Handler handler)
    : socket_(std::move(socket)), handler_(std::move(handler)) {
    listen();
    stop_ = UniqueFd(::eventfd(0, EFD_CLOEXEC));
    thread_ = std::thread([this] { serve(); });
}

CannedAgent::~CannedAgent() {
    (void)::eventfd_write(stop_.get(), 1);
    thread_.join();
    (void)::unlink(socket_.c_str());
}

void CannedAgent::listen() {
    make_directory(socket_.parent_path());
    (void)::unlink(socket_.c_str());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string& path = socket_.native();
    if (path.size() >= sizeof address.sun_path) {
        fail("too long for a socket: " + path);
    }
    std::copy(path.begin(), path.end(), std::begin(address.sun_path));
    listener_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the sockets API
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    if (::bind(listener_.get(), generic, sizeof address) != 0 || ::chmod(path.c_str(), 0666) != 0 ||
        ::listen(listener_.get(), 128) != 0) {
        fail_errno("cannot listen on " + path);
    }
}

std::vector<AgentAttributes> CannedAgent::requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
}

std::vector<AgentAttributes> CannedAgent::requests(const std::string& verb) const {
    std::vector<AgentAttributes> wanted;
    for (AgentAttributes& request : requests()) {
        if (request["request"] == verb) {
            wanted.push_back(std::move(request));
        }
    }
    return wanted;
}

void CannedAgent::serve() {
    std::vector<std::unique_ptr<Connection>> connections;
    for (;;) {
        std::vector<pollfd> ready{{stop_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
        bool drips = false;
        for (const auto& connection : connections) {
            ready.push_back({connection->fd.get(), POLLIN, 0});
            drips = drips || !connection->dripping.empty();
        }
        (void)::poll(ready.data(), ready.size(), drips ? 200 : -1);
        if (ready[0].revents != 0) {
            return;
        }
        for (std::size_t i = connections.size(); i-- > 0;) {
            Connection& connection = *connections[i];
            if (!connection.dripping.empty()) {
                (void)::send(connection.fd.get(), connection.dripping.data(), 1, MSG_NOSIGNAL);
                connection.dripping.erase(0, 1);
            }
            if (ready[i + 2].revents != 0 && !serve_one(connection)) {
                connections.erase(connections.begin() + static_cast<std::ptrdiff_t>(i));
            }
        }
        if (ready[1].revents != 0) {
            auto fresh = std::make_unique<Connection>();
            fresh->fd = UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            connections.push_back(std::move(fresh));
        }
    }
}

/// False: the connection is over.
bool CannedAgent::serve_one(Connection& connection) {
    char chunk[4096];
    const ssize_t got = ::recv(connection.fd.get(), chunk, sizeof chunk, MSG_DONTWAIT);
    if (got <= 0) {
        return false;
    }
    connection.buffer.append(chunk, static_cast<std::size_t>(got));
    for (std::size_t end = 0; (end = connection.buffer.find("\n\n")) != std::string::npos;) {
        const AgentAttributes request = parse(connection.buffer.substr(0, end + 1));
        connection.buffer.erase(0, end + 2);
        {
            const std::lock_guard lock(mutex_);
            requests_.push_back(request);
        }
        const CannedAnswer answer = handler_(request);
        switch (answer.kind) {
            case CannedAnswer::Kind::Hang:
                return true;
            case CannedAnswer::Kind::Close:
                return false;
            case CannedAnswer::Kind::Drip:
                connection.dripping += answer.text;
                break;
            case CannedAnswer::Kind::Text:
                (void)::send(connection.fd.get(), answer.text.data(), answer.text.size(),
                             MSG_NOSIGNAL);
        }
    }
    return true;
}

}  // namespace postbearer::test
