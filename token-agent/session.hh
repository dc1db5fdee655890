// SPDX-License-Identifier: Apache-2.0
#pragma once

// One connection that speaks attribute lists (common/agent_protocol.hh): reads a request, hands it
// to the handler, writes the answer, in order, pipelined requests too. agent.sock and admin.sock
// differ in limits and handler only.

#include <boost/asio/local/stream_protocol.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "common/clock.hh"
#include "common/secret.hh"
#include "common/service/peer.hh"

namespace postbearer::agent {

struct SessionLimits {
    std::size_t request_bytes = 0;
    std::chrono::milliseconds to_complete{2'000};  // a request once begun
    std::chrono::milliseconds idle{300'000};       // between requests
    std::chrono::milliseconds to_take_answer{10'000};
    /// No handler takes that long (wait_ms is 30 s at most): it has failed, and said so in the log.
    std::chrono::milliseconds to_be_answered{90'000};
};

class Session : public std::enable_shared_from_this<Session> {
public:
    using Socket = boost::asio::local::stream_protocol::socket;
    using Reply = std::function<void(Secret)>;
    using Handler = std::function<void(const service::Peer&, std::string_view block, Reply)>;
    using Closed = std::function<void(const Session&)>;

    Session(Socket socket, service::Peer peer, const Clock& clock, const SessionLimits& limits,
            Handler handler, Closed closed);

    void start();
    void close();
    /// Called by the server's sweep; closes the session if its time is over.
    void check_deadline(BootTime now);

    [[nodiscard]] const service::Peer& peer() const noexcept { return peer_; }
    [[nodiscard]] BootTime last_active() const noexcept { return since_; }
    [[nodiscard]] bool is_idle() const noexcept { return state_ == State::Idle; }
    /// A request is with the handler.
    [[nodiscard]] bool is_working() const noexcept { return state_ == State::Working; }

private:
    enum class State : std::uint8_t { Idle, Reading, Working, Writing, Closed };

    void enter(State state) noexcept;
    void read_more();
    void received(std::size_t bytes);
    void serve_buffered();
    void go_on_later();
    void move_rest_to_front();
    void reply(Secret answer);
    void write_rest(std::size_t sent);
    void refuse_and_close(std::string_view why);

    Socket socket_;
    service::Peer peer_;
    const Clock& clock_;
    const SessionLimits& limits_;
    Handler handler_;
    Closed closed_;
    State state_ = State::Idle;
    BootTime since_;     // when state_ was entered
    WipedBytes buffer_;  // [served_, held_) is input not served yet
    std::size_t served_ = 0;
    std::size_t held_ = 0;
    std::size_t scanned_ = 0;  // of it, known to hold no whole message
    Secret answer_;
    bool close_after_answer_ = false;
    bool serving_ = false;  // serve_buffered() is on the stack: it goes on, no recursion
};

}  // namespace postbearer::agent
