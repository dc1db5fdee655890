// SPDX-License-Identifier: Apache-2.0
#include "https_server.hh"

#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>

#include "log.hh"
#include "service.hh"

namespace postbearer::rehearsal {

namespace net = boost::asio;
namespace http = boost::beast::http;
using net::ip::tcp;

namespace {

constexpr std::uint64_t kBodyLimitBytes = 64ULL * 1024 * 1024;
constexpr std::uint32_t kHeadLimitBytes = 64 * 1024;
constexpr std::chrono::seconds kGoodbye(2);  // for the peer's close_notify

WallTime wall_now() { return std::chrono::system_clock::now(); }

HttpRequest to_request(const http::request<http::string_body>& message, std::uint64_t connection) {
    HttpRequest request;
    request.connection = connection;
    request.method = std::string(message.method_string());
    const std::string target(message.target());
    const std::size_t question = target.find('?');
    request.path = target.substr(0, question);
    request.query = question == std::string::npos ? "" : target.substr(question + 1);
    for (const auto& field : message) {
        request.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    }
    request.body = message.body();
    return request;
}

}  // namespace

struct HttpsServer::Parts {
    explicit Parts(net::io_context& the_loop)
        : loop(the_loop), acceptor(the_loop), tls(net::ssl::context::tls_server) {}

    net::io_context& loop;
    tcp::acceptor acceptor;
    net::ssl::context tls;
    Service* service = nullptr;
    std::uint64_t connections = 0;
};

class HttpsServer::Session : public std::enable_shared_from_this<Session> {
public:
    Session(tcp::socket socket, Parts& parts, std::uint64_t number)
        : stream_(std::move(socket), parts.tls),
          timer_(parts.loop),
          service_(*parts.service),
          number_(number) {}

    void start() {
        boost::system::error_code ignored;  // a slower socket is the only harm
        stream_.next_layer().set_option(tcp::no_delay(true), ignored);
        if (const auto behaviour = service_.behaviours().take_accept()) {
            // The callback is what keeps this connection alive.
            service_.behaviours().on_release(*behaviour,
                                             [self = shared_from_this()] { self->close(); });
            return;
        }
        stream_.async_handshake(net::ssl::stream_base::server,
                                [self = shared_from_this()](const auto& error) {
                                    if (error) {
                                        log_line("tls_handshake", {{"error", error.message()}});
                                        self->close();
                                    } else {
                                        self->read();
                                    }
                                });
    }

private:
    void read() {
        parser_.emplace();
        parser_->body_limit(kBodyLimitBytes);
        parser_->header_limit(kHeadLimitBytes);
        http::async_read(stream_, buffer_, *parser_,
                         [self = shared_from_this()](const auto& error, std::size_t) {
                             if (error) {
                                 self->on_read_error(error);
                             } else {
                                 self->on_request();
                             }
                         });
    }

    void on_read_error(const boost::system::error_code& error) {
        if (error == http::error::end_of_stream) {
            say_goodbye();
            return;
        }
        if (error != net::ssl::error::stream_truncated && error != net::error::connection_reset) {
            log_line("http_read", {{"error", error.message()}});
        }
        close();
    }

    void on_request() {
        const bool head = parser_->get().method() == http::verb::head;
        const HttpRequest request = to_request(parser_->get(), number_);
        auto handled = service_.handle(request, wall_now());
        record_ = handled.record;
        const HttpAnswer& answer = handled.answer;
        delivery_ = answer.delivery;
        status_ = answer.status;
        keep_alive_ = parser_->get().keep_alive() &&
                      delivery_.framing != Delivery::Framing::Close &&
                      delivery_.way != Delivery::Way::Hang;
        wire_ = to_wire(answer, keep_alive_, head, wall_now());
        if (delivery_.latency.count() == 0) {
            deliver();
            return;
        }
        timer_.expires_after(delivery_.latency);
        timer_.async_wait([self = shared_from_this()](const auto& error) {
            if (!error) {
                self->deliver();
            }
        });
    }

    void deliver() {
        switch (delivery_.way) {
            case Delivery::Way::Whole:
                write_whole();
                break;
            case Delivery::Way::Hang:
                hang();
                break;
            case Delivery::Way::ResetBefore:
                reset("reset");
                break;
            case Delivery::Way::ResetInBody:
                write_half();
                break;
            case Delivery::Way::Drip:
                drip(0);
                break;
        }
    }

    void write_whole() {
        net::async_write(stream_, net::buffer(wire_.bytes),
                         [self = shared_from_this()](const auto& error, std::size_t) {
                             if (error) {
                                 self->end("client_gone");
                                 self->close();
                             } else {
                                 self->on_written();
                             }
                         });
    }

    void on_written() {
        end("answered");
        if (keep_alive_) {
            read();
        } else {
            say_goodbye();
        }
    }

    void write_half() {
        const std::size_t half = wire_.head_bytes + (wire_.bytes.size() - wire_.head_bytes) / 2;
        net::async_write(stream_, net::buffer(wire_.bytes.data(), half),
                         [self = shared_from_this()](const auto&, std::size_t) {
                             self->reset("reset_in_body");
                         });
    }

    void drip(std::size_t at) {
        if (at >= wire_.bytes.size()) {
            on_written();
            return;
        }
        const std::size_t length = std::min(delivery_.drip_bytes, wire_.bytes.size() - at);
        net::async_write(
            stream_, net::buffer(wire_.bytes.data() + at, length),
            [self = shared_from_this(), next = at + length](const auto& error, std::size_t) {
                if (error) {
                    self->end("client_gone");
                    self->close();
                } else {
                    self->drip_later(next);
                }
            });
    }

    void drip_later(std::size_t at) {
        timer_.expires_after(delivery_.drip_interval);
        timer_.async_wait([self = shared_from_this(), at](const auto& error) {
            if (!error) {
                self->drip(at);
            }
        });
    }

    /// Until the client goes away or the behaviour is removed.
    void hang() {
        service_.behaviours().on_release(delivery_.behaviour_id, [weak = weak_from_this()] {
            if (const auto self = weak.lock()) {
                self->end("hung");
                self->close();
            }
        });
        stream_.async_read_some(net::buffer(&scrap_, 1),
                                [self = shared_from_this()](const auto&, std::size_t) {
                                    self->end("client_gone");
                                    self->close();
                                });
    }

    void reset(const char* outcome) {
        end(outcome);
        boost::system::error_code ignored;  // then it becomes an ordinary close
        stream_.next_layer().set_option(tcp::socket::linger(true, 0), ignored);
        close();
    }

    /// Closes the record of the request; the status stays 0 where nothing was answered.
    void end(const char* outcome) {
        const bool answered = std::string_view(outcome) == "answered";
        if (record_) {
            service_.records().close_request(*record_, answered ? status_ : 0, outcome, wall_now());
            record_.reset();
        }
    }

    void say_goodbye() {
        timer_.expires_after(kGoodbye);
        timer_.async_wait([self = shared_from_this()](const auto&) { self->close(); });
        stream_.async_shutdown([self = shared_from_this()](const auto&) {
            self->timer_.cancel();  // which closes
        });
    }

    void close() {
        boost::system::error_code ignored;  // closed is closed
        stream_.next_layer().close(ignored);
        timer_.cancel(ignored);
    }

    net::ssl::stream<tcp::socket> stream_;
    net::steady_timer timer_;
    Service& service_;
    std::uint64_t number_;
    boost::beast::flat_buffer buffer_;
    std::optional<http::request_parser<http::string_body>> parser_;
    std::shared_ptr<RequestRecord> record_;
    Delivery delivery_;
    WireAnswer wire_;
    unsigned status_ = 0;
    bool keep_alive_ = false;
    char scrap_ = 0;
};

HttpsServer::HttpsServer(net::io_context& loop) : parts_(std::make_unique<Parts>(loop)) {}

HttpsServer::~HttpsServer() = default;

std::string HttpsServer::bind(const std::string& address, std::uint16_t port,
                              const ServerIdentity& identity) {
    boost::system::error_code error;
    const auto ip = net::ip::make_address(address, error);
    auto& tls = parts_->tls;
    if (!error) {
        tls.use_certificate_chain(net::buffer(identity.certificate_pem), error);
    }
    if (!error) {
        tls.use_private_key(net::buffer(identity.key_pem), net::ssl::context::pem, error);
    }
    if (error) {
        return error.message();
    }
    SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
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
        } else {
            parts_->service->records().count_connection();
            std::make_shared<Session>(std::move(socket), *parts_, ++parts_->connections)->start();
        }
        accept();
    });
}

}  // namespace postbearer::rehearsal
