// SPDX-License-Identifier: Apache-2.0
#include "control_server.hh"

#include <unistd.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>

#include "control_api.hh"
#include "json.hh"
#include "unix_listener.hh"

namespace postbearer::rehearsal {

namespace net = boost::asio;
namespace http = boost::beast::http;

namespace {

constexpr std::uint64_t kBodyLimitBytes = 64ULL * 1024 * 1024;
constexpr std::chrono::milliseconds kLookAgain(3);

}  // namespace

struct ControlServer::Parts {
    Parts(net::io_context& the_loop, Service& service)
        : loop(the_loop), acceptor(the_loop), api(service) {}

    net::io_context& loop;
    LocalAcceptor acceptor;
    ControlApi api;
    std::string path;
};

class ControlServer::Session : public std::enable_shared_from_this<Session> {
public:
    Session(LocalSocket socket, Parts& parts)
        : socket_(std::move(socket)), timer_(parts.loop), parts_(parts) {}

    void read() {
        parser_.emplace();
        parser_->body_limit(kBodyLimitBytes);
        http::async_read(socket_, buffer_, *parser_,
                         [self = shared_from_this()](const auto& error, std::size_t) {
                             if (!error) {
                                 self->on_request();
                             }
                         });
    }

private:
    void on_request() {
        const auto& message = parser_->get();
        HttpRequest request;
        request.method = std::string(message.method_string());
        const std::string target(message.target());
        const std::size_t question = target.find('?');
        request.path = target.substr(0, question);
        request.query = question == std::string::npos ? "" : target.substr(question + 1);
        request.body = message.body();
        if (const auto waiting = parts_.api.waiting(request)) {
            deadline_ = std::chrono::steady_clock::now() + waiting->timeout;
            wait(*waiting);
        } else {
            answer(parts_.api.handle(request, std::chrono::system_clock::now()));
        }
    }

    void wait(const Waiting& waiting) {
        ControlAnswer result;
        result.body["reached"] = parts_.api.reached(waiting);
        if (result.body["reached"].asBool()) {
            answer(result);
            return;
        }
        if (std::chrono::steady_clock::now() >= deadline_) {
            result.status = 504;
            answer(result);
            return;
        }
        timer_.expires_after(kLookAgain);
        timer_.async_wait([self = shared_from_this(), waiting](const auto& error) {
            if (!error) {
                self->wait(waiting);
            }
        });
    }

    void answer(const ControlAnswer& control) {
        HttpAnswer message;
        message.status = control.status;
        message.body = to_text(control.body) + "\n";
        message.set_header("Content-Type", "application/json");
        const bool keep_alive = parser_->get().keep_alive();
        wire_ = to_wire(message, keep_alive, false, std::chrono::system_clock::now()).bytes;
        net::async_write(socket_, net::buffer(wire_),
                         [self = shared_from_this(), keep_alive](const auto& error, std::size_t) {
                             if (!error && keep_alive) {
                                 self->read();
                             }
                         });
    }

    LocalSocket socket_;
    net::steady_timer timer_;
    Parts& parts_;
    boost::beast::flat_buffer buffer_;
    std::optional<http::request_parser<http::string_body>> parser_;
    std::chrono::steady_clock::time_point deadline_;
    std::string wire_;
};

ControlServer::ControlServer(net::io_context& loop, Service& service)
    : parts_(std::make_unique<Parts>(loop, service)) {}

ControlServer::~ControlServer() {
    if (!parts_->path.empty()) {
        (void)unlink(parts_->path.c_str());
    }
}

std::string ControlServer::listen(const std::string& path) {
    std::string problem = bind_unix(parts_->acceptor, path, 0600);
    if (problem.empty()) {
        parts_->path = path;
        accept();
    }
    return problem;
}

void ControlServer::accept() {
    parts_->acceptor.async_accept([this](const auto& error, LocalSocket socket) {
        if (error == net::error::operation_aborted) {
            return;
        }
        if (!error) {
            std::make_shared<Session>(std::move(socket), *parts_)->read();
        }
        accept();
    });
}

}  // namespace postbearer::rehearsal
