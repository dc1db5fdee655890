// SPDX-License-Identifier: Apache-2.0
#include "tests/support/tls_server.hh"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

#include "common/text.hh"

namespace postbearer::test {
namespace {

Owned<SSL_CTX, SSL_CTX_free> make_context(const TlsIdentity& identity, bool only_tls_1_1) {
    Owned<SSL_CTX, SSL_CTX_free> context(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_use_certificate(context.get(), identity.certificate.get());
    SSL_CTX_use_PrivateKey(context.get(), identity.key.get());
    if (only_tls_1_1) {
        SSL_CTX_set_cipher_list(context.get(), "ALL:@SECLEVEL=0");
        SSL_CTX_set_min_proto_version(context.get(), TLS1_1_VERSION);
        SSL_CTX_set_max_proto_version(context.get(), TLS1_1_VERSION);
    }
    return context;
}

std::size_t content_length(const std::string& head) {
    const std::string lower = ascii_lower(head);
    const std::string_view mark = "\r\ncontent-length:";
    const std::size_t at = lower.find(mark);
    if (at == std::string::npos) {
        return 0;
    }
    const std::string_view rest = std::string_view(lower).substr(at + mark.size());
    return parse_decimal(trimmed(rest.substr(0, rest.find('\r')))).value_or(0);
}

}  // namespace

std::string http_message(const std::string& status, const std::string& headers,
                         const std::string& body) {
    return "HTTP/1.1 " + status + "\r\n" + headers +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

/// Bytes in and out, with TLS or without.
class TlsServer::Connection {
public:
    Connection(int fd, SSL_CTX* context) : fd_(fd) {
        if (context != nullptr) {
            ssl_.reset(SSL_new(context));
            SSL_set_fd(ssl_.get(), fd);
        }
    }

    bool shake_hands() { return ssl_ == nullptr || SSL_accept(ssl_.get()) == 1; }

    bool write(std::string_view bytes) {
        while (!bytes.empty()) {
            const int size = static_cast<int>(std::min<std::size_t>(bytes.size(), 16384));
            const auto count =
                ssl_ != nullptr
                    ? SSL_write(ssl_.get(), bytes.data(), size)
                    : static_cast<int>(send(fd_, bytes.data(), static_cast<std::size_t>(size), 0));
            if (count <= 0) {
                return false;
            }
            bytes.remove_prefix(static_cast<std::size_t>(count));
        }
        return true;
    }

    bool read_more() {
        char chunk[4096];
        const auto count = ssl_ != nullptr ? SSL_read(ssl_.get(), chunk, sizeof chunk)
                                           : static_cast<int>(recv(fd_, chunk, sizeof chunk, 0));
        if (count <= 0) {
            return false;
        }
        input_.append(chunk, static_cast<std::size_t>(count));
        return true;
    }

    std::optional<Seen> read_request(const Options& options) {
        std::size_t end = 0;
        while ((end = input_.find("\r\n\r\n")) == std::string::npos) {
            if (!read_more()) {
                return std::nullopt;
            }
        }
        Seen seen;
        seen.head = input_.substr(0, end + 4);
        const std::size_t whole = seen.head.size() + content_length(seen.head);
        while (input_.size() < whole) {
            if (options.cut_after && options.cut_after(input_.size())) {
                reset();
                return std::nullopt;
            }
            if (!read_more()) {
                return std::nullopt;
            }
        }
        seen.body = input_.substr(seen.head.size(), whole - seen.head.size());
        input_.erase(0, whole);
        return seen;
    }

    /// Whether nothing of ours waits in the receive queue of the client, which is on this machine.
    [[nodiscard]] bool peer_has_read() const {
        int unacknowledged = 0;
        if (ioctl(fd_, SIOCOUTQ, &unacknowledged) == 0 && unacknowledged > 0) {
            return false;  // not even there yet
        }
        sockaddr_in peer{};
        socklen_t size = sizeof peer;
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the sockets interface
        if (getpeername(fd_, reinterpret_cast<sockaddr*>(&peer), &size) != 0) {
            return true;
        }
        std::ifstream table("/proc/self/net/tcp");
        std::string line;
        std::array<char, 32> local{};
        (void)std::snprintf(local.data(), local.size(), ": %08X:%04X ", peer.sin_addr.s_addr,
                            static_cast<unsigned>(ntohs(peer.sin_port)));
        while (std::getline(table, line)) {
            if (line.find(local.data()) == std::string::npos) {
                continue;
            }
            const std::size_t queues = line.find(':', line.find(':', line.find(':') + 1) + 1);
            const std::size_t receive = line.find(':', queues + 1);
            return receive != std::string::npos && line.compare(receive + 1, 8, "00000000") == 0;
        }
        return true;
    }

    void reset() const {
        const linger hard{1, 0};
        (void)setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }

private:
    int fd_;
    Owned<SSL, SSL_free> ssl_;
    std::string input_;
};

TlsServer::TlsServer(TlsIdentity identity, Handler handler, Options options)
    : identity_(std::move(identity)),
      handler_(std::move(handler)),
      options_(std::move(options)),
      context_(make_context(identity_, options_.only_tls_1_1)),
      listener_([this](int fd) { serve(fd); }) {}

TlsServer::~TlsServer() {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    stopped_.notify_all();
}

std::string TlsServer::url(const std::string& host, const std::string& path) const {
    return (options_.plain ? "http://" : "https://") + host + ":" + std::to_string(port()) + path;
}

std::vector<TlsServer::Seen> TlsServer::seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
}

/// False once the server stops.
bool TlsServer::pause() {
    std::unique_lock lock(mutex_);
    return !stopped_.wait_for(lock, std::chrono::milliseconds(5), [this] { return stopping_; });
}

bool TlsServer::play(Connection& connection, const Script& script) {
    if (script.drip) {
        for (const char c : script.bytes) {
            if (!connection.write({&c, 1}) || !pause()) {
                return false;
            }
        }
    } else if (!connection.write(script.bytes)) {
        return false;
    }
    switch (script.then) {
        case Script::Then::KeepOpen:
            return true;
        case Script::Then::Reset:
            // Some kernels throw away with a reset what its receiver has not read yet.
            while (!connection.peer_has_read() && pause()) {
            }
            connection.reset();
            return false;
        case Script::Then::Hang:
            while (connection.read_more()) {
            }
            return false;
        case Script::Then::Close:
            break;
    }
    return false;
}

void TlsServer::serve(int fd) {
    Connection connection(fd, options_.plain ? nullptr : context_.get());
    if (!connection.shake_hands()) {
        return;
    }
    while (const auto request = connection.read_request(options_)) {
        {
            const std::lock_guard lock(mutex_);
            seen_.push_back(*request);
        }
        if (!play(connection, handler_(*request))) {
            return;
        }
    }
}

}  // namespace postbearer::test
