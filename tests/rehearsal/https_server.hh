// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "pki.hh"

namespace postbearer::rehearsal {

class Service;

/// The listener of HTTP/1.1, with TLS or (for programs that stand before us) without.
class HttpsServer {
public:
    explicit HttpsServer(boost::asio::io_context& loop);
    HttpsServer(const HttpsServer&) = delete;
    HttpsServer& operator=(const HttpsServer&) = delete;
    HttpsServer(HttpsServer&&) = delete;
    HttpsServer& operator=(HttpsServer&&) = delete;
    ~HttpsServer();

    /// Binds; empty, or why not. `port` 0 takes a free one, no `identity` means no TLS.
    [[nodiscard]] std::string bind(const std::string& address, std::uint16_t port,
                                   const ServerIdentity* identity);
    [[nodiscard]] std::uint16_t port() const;
    /// From now on connections are served; `service` must outlive the loop's last turn.
    void serve(Service& service);

private:
    struct Parts;
    void accept();

    std::unique_ptr<Parts> parts_;
};

}  // namespace postbearer::rehearsal
