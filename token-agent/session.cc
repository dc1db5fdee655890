// SPDX-License-Identifier: Apache-2.0
#include "token-agent/session.hh"

#include <string.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "common/agent_messages.hh"
#include "common/agent_protocol.hh"

namespace postbearer::agent {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

/// Admin requests are small as a rule; their buffer grows to the limit only where one is not.
constexpr std::size_t kFirstBufferBytes = protocol::kMaxRequestBytes;
/// A client that sends thousands of tiny requests at once takes turns with the others.
constexpr int kRequestsPerTurn = 16;

}  // namespace

Session::Session(Socket socket, service::Peer peer, const Clock& clock, const SessionLimits& limits,
                 Handler handler, Closed closed)
    : socket_(std::move(socket)),
      peer_(std::move(peer)),
      clock_(clock),
      limits_(limits),
      handler_(std::move(handler)),
      closed_(std::move(closed)),
      since_(clock.boot()) {}

void Session::start() {
    error_code ignored;  // a socket that cannot be made non-blocking fails at its first read
    socket_.non_blocking(true, ignored);
    read_more();
}

void Session::enter(State state) noexcept {
    state_ = state;
    since_ = clock_.boot();
}

void Session::close() {
    if (state_ == State::Closed) {
        return;
    }
    state_ = State::Closed;
    error_code ignored;  // the descriptor is gone either way
    socket_.close(ignored);
    answer_ = Secret();
    if (!serving_) {  // else a handler may be looking at it
        buffer_ = WipedBytes();
    }
    closed_(*this);
}

void Session::check_deadline(BootTime now) {
    const BootClock::duration spent = now - since_;
    if (state_ == State::Reading && spent > limits_.to_complete) {
        refuse_and_close("the request was not completed in time");
    } else if ((state_ == State::Idle && spent > limits_.idle) ||
               (state_ == State::Writing && spent > limits_.to_take_answer) ||
               (state_ == State::Working && spent > limits_.to_be_answered)) {
        close();
    }
}

void Session::read_more() {
    if (buffer_.empty()) {
        buffer_.resize(std::min(kFirstBufferBytes, limits_.request_bytes));
    } else if (held_ == buffer_.size()) {
        buffer_.resize(std::min(buffer_.size() * 4, limits_.request_bytes));
    }
    const asio::mutable_buffer space(buffer_.data() + held_, buffer_.size() - held_);
    socket_.async_read_some(
        space, [self = shared_from_this()](const error_code& error, std::size_t bytes) {
            if (self->state_ == State::Closed) {
                return;
            }
            if (error) {
                self->close();
                return;
            }
            self->received(bytes);
        });
}

void Session::received(std::size_t bytes) {
    if (state_ == State::Idle) {
        enter(State::Reading);
    }
    held_ += bytes;
    serve_buffered();
}

void Session::serve_buffered() {
    serving_ = true;
    for (int turn = 0; state_ == State::Idle || state_ == State::Reading; ++turn) {
        if (turn == kRequestsPerTurn) {
            serving_ = false;
            go_on_later();
            return;
        }
        const std::string_view input = std::string_view(buffer_.data(), held_).substr(served_);
        const auto length = protocol::message_length(input, scanned_);
        if (!length) {
            scanned_ = input.size();
            if (input.size() >= limits_.request_bytes) {
                refuse_and_close("the request is larger than allowed");
                break;
            }
            if (!input.empty() && state_ == State::Idle) {
                enter(State::Reading);
            }
            serving_ = false;
            move_rest_to_front();
            read_more();
            return;
        }
        enter(State::Working);
        served_ += *length;
        scanned_ = 0;
        handler_(peer_, input.substr(0, *length),
                 [self = shared_from_this()](Secret answer) { self->reply(std::move(answer)); });
    }
    serving_ = false;
    if (state_ == State::Closed) {
        buffer_ = WipedBytes();
    }
}

void Session::go_on_later() {
    asio::post(socket_.get_executor(), [self = shared_from_this()] { self->serve_buffered(); });
}

void Session::move_rest_to_front() {
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(served_),
              buffer_.begin() + static_cast<std::ptrdiff_t>(held_), buffer_.begin());
    held_ -= served_;
    // A request that was served may have held a secret, and this connection may stay for minutes.
    ::explicit_bzero(buffer_.data() + held_, served_);
    served_ = 0;
}

void Session::reply(Secret answer) {
    if (state_ != State::Working) {
        return;  // closed while the answer was on its way
    }
    enter(State::Writing);
    answer_ = std::move(answer);
    // Nearly always the socket takes it at once: one system call, no trip through the loop.
    error_code error;
    const std::string_view bytes = answer_.reveal();
    const std::size_t sent =
        socket_.write_some(asio::const_buffer(bytes.data(), bytes.size()), error);
    if (error && error != asio::error::would_block && error != asio::error::try_again) {
        close();
        return;
    }
    write_rest(error ? 0 : sent);
}

void Session::write_rest(std::size_t sent) {
    const std::string_view rest = answer_.reveal().substr(sent);
    if (!rest.empty()) {
        asio::async_write(
            socket_, asio::const_buffer(rest.data(), rest.size()),
            [self = shared_from_this()](const error_code& error, std::size_t /*bytes*/) {
                if (self->state_ != State::Writing) {
                    return;
                }
                if (error) {
                    self->close();
                    return;
                }
                self->write_rest(self->answer_.size());
            });
        return;
    }
    answer_ = Secret();
    if (close_after_answer_) {
        close();
        return;
    }
    enter(State::Idle);
    if (!serving_) {
        serve_buffered();
    }
}

void Session::refuse_and_close(std::string_view why) {
    close_after_answer_ = true;
    enter(State::Working);
    protocol::AgentFailure failure;
    failure.failure_class = protocol::FailureClass::BadRequest;
    failure.code = protocol::FailureCode::Syntax;
    failure.message = why;
    reply(encode(failure));
}

}  // namespace postbearer::agent
