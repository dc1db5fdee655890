// SPDX-License-Identifier: Apache-2.0
#include "https_server.hh"

#include <boost/asio/ssl/context.hpp>
#include <optional>

#include "http_session.hh"

namespace postbearer::rehearsal {

namespace net = boost::asio;
using net::ip::tcp;

struct HttpsServer::Parts {
    explicit Parts(net::io_context& loop) : acceptor(loop) {}

    tcp::acceptor acceptor;
    std::optional<net::ssl::context> tls;
    Service* service = nullptr;
    std::uint64_t connections = 0;
};

HttpsServer::HttpsServer(net::io_context& loop) : parts_(std::make_unique<Parts>(loop)) {}

HttpsServer::~HttpsServer() = default;

std::string HttpsServer::bind(const std::string& address, std::uint16_t port,
                              const ServerIdentity* identity) {
    boost::system::error_code error;
    const auto ip = net::ip::make_address(address, error);
    if (!error && identity != nullptr) {
        auto& tls = parts_->tls.emplace(net::ssl::context::tls_server);
        tls.use_certificate_chain(net::buffer(identity->certificate_pem), error);
        if (!error) {
            tls.use_private_key(net::buffer(identity->key_pem), net::ssl::context::pem, error);
        }
        SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
    }
    if (error) {
        return error.message();
    }
    const tcp::endpoint endpoint(ip, port);
    auto& acceptor = parts_->acceptor;
    acceptor.open(endpoint.protocol(), error);
    if (!error) {
        acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    }
    if (!error) {
        acceptor.bind(endpoint, error);
    }
    if (!error) {
        acceptor.listen(net::socket_base::max_listen_connections, error);
    }
    return error ? address + ": " + error.message() : std::string();
}

std::uint16_t HttpsServer::port() const {
    boost::system::error_code error;
    const auto endpoint = parts_->acceptor.local_endpoint(error);
    return error ? std::uint16_t{0} : endpoint.port();
}

void HttpsServer::serve(Service& service) {
    parts_->service = &service;
    accept();
}

void HttpsServer::accept() {
    parts_->acceptor.async_accept([this](const auto& error, tcp::socket socket) {
        if (error == net::error::operation_aborted) {
            return;
        }
        if (error) {
            log_line("accept", {{"error", error.message()}});
            accept();
            return;
        }
        Service& service = *parts_->service;
        const std::uint64_t number = service.records().count_connection();
        if (parts_->tls) {
            std::make_shared<HttpSession<TlsStream>>(TlsStream(std::move(socket), *parts_->tls),
                                                     service, number)
                ->start();
        } else {
            std::make_shared<HttpSession<PlainStream>>(std::move(socket), service, number)->start();
        }
        accept();
    });
}

}  // namespace postbearer::rehearsal
