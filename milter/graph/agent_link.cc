// SPDX-License-Identifier: Apache-2.0
#include "milter/graph/agent_link.hh"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <system_error>
#include <utility>

#include "common/agent_protocol.hh"
#include "common/unique_fd.hh"

namespace postbearer::milter {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::chrono::milliseconds kRetryEvery{100};

/// connect(2) to a Unix socket never waits on a non-blocking one: it is done or it fails.
UniqueFd connected_to(const std::string& path, std::string& trouble) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        trouble = "path too long";
        return {};
    }
    path.copy(address.sun_path, path.size());
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const auto* const generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
    if (!fd.valid() || ::connect(fd.get(), generic, sizeof address) != 0) {
        trouble = std::generic_category().message(errno);
        return {};
    }
    return fd;
}

}  // namespace

AgentLink::AgentLink(asio::io_context& loop, std::string path, const Clock& clock,
                     Scheduler& scheduler)
    : socket_(loop), path_(std::move(path)), clock_(clock), scheduler_(scheduler) {}

void AgentLink::close() {
    closed_ = true;
    ++connection_;
    error_code ignored;  // the descriptor is gone either way
    socket_.close(ignored);
    scheduler_.cancel(retry_);
    for (const Pending& request : requests_) {
        scheduler_.cancel(request.timer);
    }
    requests_.clear();
}

void AgentLink::ask(Secret request, BootTime deadline, Done done) {
    const std::uint64_t number = ++last_number_;
    const auto timer = scheduler_.at(deadline, [weak = weak_from_this(), number] {
        if (const auto self = weak.lock()) {
            self->overdue(number);
        }
    });
    requests_.push_back({number, std::move(request), std::move(done), timer});
    if (up_) {
        append(unsent_, requests_.back().bytes.reveal());
        write_more();
    } else if (retry_ == 0) {
        open();
    }
}

void AgentLink::open() {
    retry_ = 0;
    if (closed_ || up_ || requests_.empty()) {
        return;
    }
    UniqueFd fd = connected_to(path_, trouble_);
    error_code error;
    if (fd.valid()) {
        socket_.assign(boost::asio::local::stream_protocol(), fd.get(), error);
    }
    if (!fd.valid() || error) {
        retry_ = scheduler_.at(clock_.boot() + kRetryEvery, [weak = weak_from_this()] {
            if (const auto self = weak.lock()) {
                self->open();
            }
        });
        return;
    }
    (void)fd.release();
    socket_.non_blocking(true, error);
    up_ = true;
    ++connection_;
    held_ = 0;
    send_all();
    read_more();
}

void AgentLink::send_all() {
    unsent_.clear();
    for (const Pending& request : requests_) {
        append(unsent_, request.bytes.reveal());
    }
    write_more();
}

void AgentLink::write_more() {
    if (writing_ || unsent_.empty()) {
        return;
    }
    writing_ = true;
    in_flight_ = std::exchange(unsent_, {});
    asio::async_write(socket_, asio::buffer(in_flight_),
                      [self = shared_from_this(), connection = connection_](const error_code& error,
                                                                            std::size_t /*bytes*/) {
                          if (connection != self->connection_) {
                              return;
                          }
                          self->writing_ = false;
                          self->in_flight_.clear();
                          if (error) {
                              self->drop("it closed the connection");
                              return;
                          }
                          self->write_more();
                      });
}

void AgentLink::read_more() {
    input_.resize(protocol::kMaxAnswerBytes);
    socket_.async_read_some(asio::mutable_buffer(input_.data() + held_, input_.size() - held_),
                            [self = shared_from_this(), connection = connection_](
                                const error_code& error, std::size_t bytes) {
                                if (connection != self->connection_) {
                                    return;
                                }
                                if (error) {
                                    self->drop("it closed the connection");
                                    return;
                                }
                                self->received(bytes);
                            });
}

void AgentLink::received(std::size_t bytes) {
    const std::uint64_t connection = connection_;
    held_ += bytes;
    std::size_t served = 0;
    while (const auto length =
               protocol::message_length(std::string_view(input_.data() + served, held_ - served))) {
        if (requests_.empty()) {
            drop("it said what nobody asked");
            return;
        }
        // The block lives on while callbacks ask again or close.
        const WipedBytes block(input_.begin() + static_cast<std::ptrdiff_t>(served),
                               input_.begin() + static_cast<std::ptrdiff_t>(served + *length));
        served += *length;
        answer_front(view(block));
        if (connection != connection_) {
            return;
        }
    }
    std::copy(input_.begin() + static_cast<std::ptrdiff_t>(served),
              input_.begin() + static_cast<std::ptrdiff_t>(held_), input_.begin());
    held_ -= served;
    if (held_ == input_.size()) {
        if (!requests_.empty()) {
            answer_front(failure(Errc::Protocol, "its answer is larger than 64 KiB"));
        }
        if (connection == connection_) {
            drop("its answer is larger than 64 KiB");
        }
        return;
    }
    if (requests_.empty() && held_ == 0) {
        input_ = WipedBytes();  // tokens lie in it
    }
    read_more();
}

void AgentLink::answer_front(Result<std::string_view> answer) {
    const Pending front = std::move(requests_.front());
    requests_.pop_front();
    scheduler_.cancel(front.timer);
    front.done(std::move(answer));
}

/// A kept connection that ends while nothing is asked costs nothing: the next request opens one.
void AgentLink::drop(std::string why) {
    ++connection_;
    up_ = false;
    writing_ = false;
    unsent_.clear();
    held_ = 0;
    input_ = WipedBytes();
    trouble_ = std::move(why);
    error_code ignored;  // the descriptor is gone either way
    socket_.close(ignored);
    if (!closed_ && !requests_.empty() && retry_ == 0) {
        retry_ = scheduler_.at(clock_.boot() + kRetryEvery, [weak = weak_from_this()] {
            if (const auto self = weak.lock()) {
                self->open();
            }
        });
    }
}

/// The answer may still come, in front of those of the others: a new connection forgets it.
void AgentLink::overdue(std::uint64_t number) {
    const auto late = std::find_if(requests_.begin(), requests_.end(),
                                   [number](const Pending& p) { return p.number == number; });
    if (late == requests_.end()) {
        return;
    }
    const Pending request = std::move(*late);
    requests_.erase(late);
    std::string why = trouble_;
    if (up_) {
        why = "it gave no answer in time";
        drop(why);
    }
    request.done(failure(Errc::Timeout, why));
}

}  // namespace postbearer::milter
