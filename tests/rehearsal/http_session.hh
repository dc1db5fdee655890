// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <limits>
#include <memory>
#include <optional>
#include <type_traits>
#include <vector>

#include "log.hh"
#include "service.hh"

namespace postbearer::rehearsal {

using TlsStream = boost::asio::ssl::stream<boost::asio::ip::tcp::socket>;
using PlainStream = boost::asio::ip::tcp::socket;

/// One connection, with TLS or without: reads HTTP/1.1 requests, asks the Service at the head and
/// at the end of each, and delivers the answer the way it says: whole, dripping, half, never.
template <typename Stream>
class HttpSession : public std::enable_shared_from_this<HttpSession<Stream>> {
public:
    HttpSession(Stream stream, Service& service, std::uint64_t number)
        : stream_(std::move(stream)),
          timer_(stream_.get_executor()),
          service_(service),
          number_(number) {}

    void start() {
        boost::system::error_code ignored;  // a slower socket is the only harm
        socket().set_option(boost::asio::ip::tcp::no_delay(true), ignored);
        if (const auto behaviour = service_.behaviours().take_accept()) {
            // The callback is what keeps this connection alive.
            service_.behaviours().on_release(*behaviour, [self = me()] { self->close(); });
            return;
        }
        if constexpr (kTls) {
            stream_.async_handshake(boost::asio::ssl::stream_base::server,
                                    [self = me()](const auto& error) {
                                        if (error) {
                                            log_line("tls_handshake", {{"error", error.message()}});
                                            self->close();
                                        } else {
                                            self->read();
                                        }
                                    });
        } else {
            read();
        }
    }

private:
    static constexpr bool kTls = std::is_same_v<Stream, TlsStream>;
    static constexpr std::uint32_t kHeadLimitBytes = 64 * 1024;
    static constexpr std::size_t kPieceBytes = 64 * 1024;
    static constexpr std::chrono::seconds kGoodbye{2};  // for the peer's close_notify

    static WallTime wall_now() { return std::chrono::system_clock::now(); }

    std::shared_ptr<HttpSession> me() { return this->shared_from_this(); }

    boost::asio::ip::tcp::socket& socket() {
        if constexpr (kTls) {
            return stream_.next_layer();
        } else {
            return stream_;
        }
    }

    void read() {
        parser_.emplace();
        parser_->body_limit(std::numeric_limits<std::uint64_t>::max());  // each plan has its own
        parser_->header_limit(kHeadLimitBytes);
        boost::beast::http::async_read_header(stream_, buffer_, *parser_,
                                              [self = me()](const auto& error, std::size_t) {
                                                  if (error) {
                                                      self->on_read_error(error);
                                                  } else {
                                                      self->on_head();
                                                  }
                                              });
    }

    void on_read_error(const boost::system::error_code& error) {
        end("client_gone");
        if (error == boost::beast::http::error::end_of_stream) {
            say_goodbye();
            return;
        }
        if (error != boost::asio::ssl::error::stream_truncated &&
            error != boost::asio::error::connection_reset) {
            log_line("http_read", {{"error", error.message()}});
        }
        close();
    }

    void take_head() {
        const auto& message = parser_->get();
        request_ = HttpRequest();
        request_.connection = number_;
        request_.tls = kTls;
        request_.method = std::string(message.method_string());
        const std::string target(message.target());
        const std::size_t question = target.find('?');
        request_.path = target.substr(0, question);
        request_.query = question == std::string::npos ? "" : target.substr(question + 1);
        for (const auto& field : message) {
            request_.headers.emplace_back(std::string(field.name_string()),
                                          std::string(field.value()));
        }
    }

    void on_head() {
        take_head();
        exchange_ = service_.begin(request_, wall_now());
        if (exchange_.plan.reset_after_bytes && *exchange_.plan.reset_after_bytes == 0) {
            reset("reset_while_reading");
            return;
        }
        if (!iequals(request_.header("Expect"), "100-continue")) {
            read_body();
            return;
        }
        wire_.bytes = "HTTP/1.1 100 Continue\r\n\r\n";
        boost::asio::async_write(stream_, boost::asio::buffer(wire_.bytes),
                                 [self = me()](const auto& error, std::size_t) {
                                     if (error) {
                                         self->on_read_error(error);
                                     } else {
                                         self->read_body();
                                     }
                                 });
    }

    void read_body() {
        if (parser_->is_done()) {
            on_request();
            return;
        }
        piece_.resize(kPieceBytes);
        parser_->get().body().data = piece_.data();
        parser_->get().body().size = piece_.size();
        boost::beast::http::async_read_some(
            stream_, buffer_, *parser_, [self = me()](const auto& error, std::size_t) {
                if (error && error != boost::beast::http::error::need_buffer) {
                    self->on_read_error(error);
                } else {
                    self->take_piece();
                }
            });
    }

    void take_piece() {
        const std::size_t length = piece_.size() - parser_->get().body().size;
        const BodyPlan& plan = exchange_.plan;
        request_.body_bytes += length;
        if (request_.body_bytes <= plan.keep_bytes) {
            request_.body.append(piece_.data(), length);
        } else {
            request_.body = std::string();
        }
        const bool as_ordered =
            plan.reset_after_bytes && request_.body_bytes >= *plan.reset_after_bytes;
        if (as_ordered || request_.body_bytes > plan.read_bytes) {
            reset(as_ordered ? "reset_while_reading" : "too_long");
            return;
        }
        read_body();
    }

    void on_request() {
        const bool head = parser_->get().method() == boost::beast::http::verb::head;
        const HttpAnswer answer = service_.finish(exchange_, request_, wall_now());
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
        wait_for_latency();
    }

    /// Until the time is over or the behaviour is removed.
    void wait_for_latency() {
        late_ = true;
        service_.behaviours().on_release(delivery_.behaviour_id, [weak = this->weak_from_this()] {
            if (const auto self = weak.lock(); self && self->late_) {
                self->timer_.cancel();
            }
        });
        timer_.expires_after(delivery_.latency);
        timer_.async_wait([self = me()](const auto&) {
            self->late_ = false;
            if (self->socket().is_open()) {
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
        // Whoever reads the answer may come back at once on another connection.
        exchange_.visit.reset();
        boost::asio::async_write(stream_, boost::asio::buffer(wire_.bytes),
                                 [self = me()](const auto& error, std::size_t) {
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
        const std::size_t body_bytes = wire_.bytes.size() - wire_.head_bytes;
        // An empty body has no half; then the head is what breaks off.
        const std::size_t half =
            body_bytes > 0 ? wire_.head_bytes + body_bytes / 2 : wire_.head_bytes / 2;
        boost::asio::async_write(
            stream_, boost::asio::buffer(wire_.bytes.data(), half),
            [self = me()](const auto&, std::size_t) { self->reset("reset_in_body"); });
    }

    void drip(std::size_t at) {
        if (at >= wire_.bytes.size()) {
            on_written();
            return;
        }
        const std::size_t length = std::min(delivery_.drip_bytes, wire_.bytes.size() - at);
        if (at + length == wire_.bytes.size()) {
            exchange_.visit.reset();
        }
        boost::asio::async_write(stream_, boost::asio::buffer(wire_.bytes.data() + at, length),
                                 [self = me(), next = at + length](const auto& error, std::size_t) {
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
        timer_.async_wait([self = me(), at](const auto& error) {
            if (!error) {
                self->drip(at);
            }
        });
    }

    /// Until the client goes away or the behaviour is removed.
    void hang() {
        service_.behaviours().on_release(delivery_.behaviour_id, [weak = this->weak_from_this()] {
            if (const auto self = weak.lock()) {
                self->end("hung");
                self->close();
            }
        });
        stream_.async_read_some(boost::asio::buffer(&scrap_, 1),
                                [self = me()](const auto&, std::size_t) {
                                    self->end("client_gone");
                                    self->close();
                                });
    }

    void reset(const char* outcome) {
        end(outcome);
        boost::system::error_code ignored;  // then it becomes an ordinary close
        socket().set_option(boost::asio::ip::tcp::socket::linger(true, 0), ignored);
        close();
    }

    /// Closes the record of the request; the status stays 0 where nothing was answered.
    void end(const char* outcome) {
        const bool answered = std::string_view(outcome) == "answered";
        exchange_.visit.reset();
        if (exchange_.record) {
            service_.records().close_request(*exchange_.record, answered ? status_ : 0, outcome,
                                             wall_now());
            exchange_.record.reset();
        }
    }

    void say_goodbye() {
        if constexpr (kTls) {
            timer_.expires_after(kGoodbye);
            timer_.async_wait([self = me()](const auto&) { self->close(); });
            stream_.async_shutdown([self = me()](const auto&) {
                self->timer_.cancel();  // which closes
            });
        } else {
            boost::system::error_code ignored;  // closed is closed
            socket().shutdown(boost::asio::ip::tcp::socket::shutdown_send, ignored);
            close();
        }
    }

    void close() {
        boost::system::error_code ignored;  // closed is closed
        socket().close(ignored);
        timer_.cancel(ignored);
    }

    Stream stream_;
    boost::asio::steady_timer timer_;
    Service& service_;
    std::uint64_t number_;
    boost::beast::flat_buffer buffer_;
    std::optional<boost::beast::http::request_parser<boost::beast::http::buffer_body>> parser_;
    std::vector<char> piece_;
    HttpRequest request_;
    Service::Exchange exchange_;
    Delivery delivery_;
    WireAnswer wire_;
    unsigned status_ = 0;
    bool keep_alive_ = false;
    bool late_ = false;  // the answer waits for its latency
    char scrap_ = 0;
};

}  // namespace postbearer::rehearsal
