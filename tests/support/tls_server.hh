// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/ssl.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "common/owned.hh"
#include "tests/support/loopback_listener.hh"
#include "tests/support/test_authority.hh"

namespace postbearer::test {

/// What the server does with one request.
struct Script {
    enum class Then { KeepOpen, Close, Reset, Hang };
    std::string bytes;  // sent as they are
    Then then = Then::KeepOpen;
    bool drip = false;  // one byte at a time, for as long as the client stays
};

[[nodiscard]] std::string http_message(const std::string& status, const std::string& headers,
                                       const std::string& body);

/// An HTTPS server that can misbehave, one request at a time per connection.
class TlsServer {
public:
    struct Seen {
        std::string head;  // request line and headers
        std::string body;
    };
    struct Options {
        bool only_tls_1_1 = false;
        bool plain = false;  // no TLS at all
        /// Asked while a request is read, with the bytes so far: true resets the connection.
        std::function<bool(std::size_t bytes)> cut_after = nullptr;
    };
    using Handler = std::function<Script(const Seen&)>;

    TlsServer(TlsIdentity identity, Handler handler, Options options);
    TlsServer(const TlsServer&) = delete;
    TlsServer& operator=(const TlsServer&) = delete;
    TlsServer(TlsServer&&) = delete;
    TlsServer& operator=(TlsServer&&) = delete;
    ~TlsServer();

    [[nodiscard]] std::uint16_t port() const noexcept { return listener_.port(); }
    [[nodiscard]] std::string url(const std::string& host, const std::string& path) const;
    [[nodiscard]] std::vector<Seen> seen() const;
    [[nodiscard]] int connections() const { return listener_.accepted(); }

private:
    class Connection;
    void serve(int fd);
    bool play(Connection& connection, const Script& script);
    bool pause();

    TlsIdentity identity_;
    Handler handler_;
    Options options_;
    Owned<SSL_CTX, SSL_CTX_free> context_;
    mutable std::mutex mutex_;
    std::condition_variable stopped_;
    bool stopping_ = false;
    std::vector<Seen> seen_;
    LoopbackListener listener_;  // last: its threads use the rest
};

}  // namespace postbearer::test
