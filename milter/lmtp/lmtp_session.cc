// SPDX-License-Identifier: Apache-2.0
#include "milter/lmtp/lmtp_session.hh"

#include <poll.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <exception>
#include <utility>

#include "common/text.hh"

namespace postbearer::milter {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::size_t kBufferBytes = 16 * 1024;
constexpr std::size_t kMaxLoggedWords = 200;

}  // namespace

LmtpSession::LmtpSession(Socket socket, service::Peer peer,
                         std::shared_ptr<const LmtpSettings> settings, OpenSpoolFile open_spool,
                         Services services, Closed closed)
    : socket_(std::move(socket)),
      settings_(settings),
      services_(services),
      closed_(std::move(closed)),
      protocol_(std::move(settings), std::move(open_spool), std::move(peer), services.log),
      buffer_(kBufferBytes),
      active_at_(services.clock.boot()),
      writing_since_(active_at_) {}

/// What throws below (memory, mostly) costs this session, not the loop.
template <typename Body>
void LmtpSession::guarded(Body&& body) noexcept {
    try {
        std::forward<Body>(body)();
    } catch (const std::exception& error) {
        failed(error.what());
    } catch (...) {
        failed("unknown exception");
    }
}

void LmtpSession::failed(const char* what) noexcept {
    if (over_) {
        return;
    }
    try {
        services_.log.write(LogLine(LogLevel::Error, "lmtp_session_failed")
                                .add("error", printable(what, kMaxLoggedWords)));
    } catch (...) {  // NOLINT(bugprone-empty-catch): then without a word
    }
    pumping_ = false;
    close();
}

void LmtpSession::start() {
    guarded([this] {
        error_code ignored;  // a socket that cannot be made non-blocking fails at its first read
        socket_.non_blocking(true, ignored);
        pump();
    });
}

void LmtpSession::close() noexcept {
    if (over_) {
        return;
    }
    over_ = true;
    error_code ignored;  // the descriptor is gone either way
    socket_.close(ignored);
    const auto keep = weak_from_this().lock();  // closed_ may let go of the last owner
    closed_(*this);
}

void LmtpSession::drain() {
    guarded([this] {
        protocol_.drain();
        pump();
    });
}

void LmtpSession::check_deadline(BootTime now) {
    if (over_ || with_deliverer_) {
        return;
    }
    const LmtpLimits& limits = settings_->limits;
    if (writing_) {
        if (now - writing_since_ > limits.write_timeout) {
            close();
        }
        return;
    }
    const bool in_data = protocol_.state() == LmtpProtocol::State::Data;
    if (now - active_at_ > (in_data ? limits.data_timeout : limits.command_timeout)) {
        guarded([this] {
            protocol_.expire("no command or data in time");
            pump();
        });
    }
}

/// Does all that can be done now. Replies go out when there is no more input to take.
void LmtpSession::pump() {
    if (pumping_) {
        return;
    }
    pumping_ = true;
    while (!over_ && !client_gone_ && !writing_) {
        if (begin_ < end_ && (protocol_.state() == LmtpProtocol::State::Command ||
                              protocol_.state() == LmtpProtocol::State::Data)) {
            take_input();
        }
        flush();
        if (over_ || client_gone_ || writing_) {
            break;
        }
        if (protocol_.state() == LmtpProtocol::State::Closing) {
            close();
        } else if (auto transaction = protocol_.take_transaction()) {
            deliver(std::move(transaction));
        } else if (with_deliverer_) {
            watch_for_hang_up();
            break;
        } else if (begin_ == end_) {
            read_more();
            break;
        }
    }
    pumping_ = false;
}

void LmtpSession::pump_later() {
    asio::post(socket_.get_executor(),
               [self = shared_from_this()] { self->guarded([&self] { self->pump(); }); });
}

void LmtpSession::take_input() {
    const std::uint64_t commands = protocol_.commands();
    const bool was_data = protocol_.state() == LmtpProtocol::State::Data;
    begin_ += protocol_.receive({buffer_.data() + begin_, end_ - begin_});
    if (was_data || protocol_.commands() != commands) {
        active_at_ = services_.clock.boot();
    }
}

void LmtpSession::read_more() {
    if (reading_) {
        return;
    }
    reading_ = true;
    begin_ = 0;
    end_ = 0;
    socket_.async_read_some(asio::buffer(buffer_), [self = shared_from_this()](
                                                       const error_code& error, std::size_t bytes) {
        self->reading_ = false;
        if (self->over_) {
            return;
        }
        if (error) {
            self->close();  // whatever was coming in is forgotten
            return;
        }
        self->end_ = bytes;
        self->guarded([&self] { self->pump(); });
    });
}

void LmtpSession::flush() {
    if (over_ || client_gone_ || writing_ || !protocol_.has_output()) {
        return;
    }
    sending_ = protocol_.take_output();
    // Nearly always the socket takes it at once: one system call, no trip through the loop.
    error_code error;
    const std::size_t sent = socket_.write_some(asio::buffer(sending_), error);
    if (error && error != asio::error::would_block && error != asio::error::try_again) {
        lose_client();
        return;
    }
    write_rest(error ? 0 : sent);
}

void LmtpSession::write_rest(std::size_t sent) {
    if (sent == sending_.size()) {
        sending_.clear();
        return;
    }
    writing_ = true;
    writing_since_ = services_.clock.boot();
    asio::async_write(socket_, asio::buffer(sending_) + sent,
                      [self = shared_from_this()](const error_code& error, std::size_t /*bytes*/) {
                          self->writing_ = false;
                          if (self->over_) {
                              return;
                          }
                          if (error) {
                              self->lose_client();
                              return;
                          }
                          self->sending_.clear();
                          self->active_at_ = self->services_.clock.boot();
                          self->guarded([&self] { self->pump(); });
                      });
}

void LmtpSession::deliver(std::shared_ptr<Transaction> transaction) {
    if (!client_is_there()) {  // nobody would know of it: Postfix sends it again
        close();
        return;
    }
    const std::uint64_t number = ++deliveries_;
    with_deliverer_ = true;
    Deliverer::Done done = [self = shared_from_this(),
                            number](const std::vector<LmtpReply>& replies) {
        return self->answered(number, replies);
    };
    try {
        services_.deliverer.deliver(std::move(transaction), std::move(done));
    } catch (const std::exception& error) {
        deliverer_failed(number, error.what());
    } catch (...) {
        deliverer_failed(number, "unknown exception");
    }
}

void LmtpSession::deliverer_failed(std::uint64_t number, const char* what) {
    if (over_) {
        return;
    }
    services_.log.write(LogLine(LogLevel::Error, "lmtp_delivery_failed")
                            .add("error", printable(what, kMaxLoggedWords)));
    (void)answered(number, {});  // 451 for every recipient
}

/// False: there is no client any more that could know.
bool LmtpSession::answered(std::uint64_t number, const std::vector<LmtpReply>& replies) noexcept {
    if (over_ || number != deliveries_ || !with_deliverer_) {
        return false;
    }
    with_deliverer_ = false;
    if (!client_is_there()) {
        close();
        return false;
    }
    bool told = false;
    guarded([&] {
        error_code ignored;
        socket_.cancel(ignored);  // the watch for a hang-up
        protocol_.answer(replies);
        active_at_ = services_.clock.boot();
        flush();
        told = !over_ && !writing_;  // all of it is with the kernel
        pump_later();                // the deliverer is on the stack
    });
    return told && !over_;
}

/// EPOLLHUP: the client has closed. One that has only said its last command is still there.
void LmtpSession::watch_for_hang_up() {
    socket_.async_wait(Socket::wait_error,
                       [self = shared_from_this(), number = deliveries_](const error_code& error) {
                           if (!error && !self->over_ && number == self->deliveries_ &&
                               self->with_deliverer_ && !self->client_is_there()) {
                               self->lose_client();
                           }
                       });
}

bool LmtpSession::client_is_there() {
    if (client_gone_) {
        return false;
    }
    pollfd socket{socket_.native_handle(), 0, 0};
    return ::poll(&socket, 1, 0) <= 0 || (socket.revents & (POLLHUP | POLLERR)) == 0;
}

/// A transaction under way keeps the session's place until it is answered.
void LmtpSession::lose_client() noexcept {
    if (!with_deliverer_) {
        close();
        return;
    }
    client_gone_ = true;
    error_code ignored;
    socket_.close(ignored);
    buffer_ = std::vector<char>();
    begin_ = end_ = 0;
}

}  // namespace postbearer::milter
