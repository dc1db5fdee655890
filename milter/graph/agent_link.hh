// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/clock.hh"
#include "common/result.hh"
#include "common/scheduler.hh"
#include "common/secret.hh"

namespace postbearer::milter {

/// One connection to agent.sock, kept; requests are pipelined and answered in order. While the
/// agent cannot be reached, or closes, all that is not answered is sent again on a new connection
/// every 100 ms: its requests may be repeated. Loop's thread.
class AgentLink : public std::enable_shared_from_this<AgentLink> {
public:
    /// A whole answer block, valid during the call. Error: Timeout or Unavailable, with the reason
    /// as a clause.
    using Done = std::function<void(Result<std::string_view>)>;

    AgentLink(boost::asio::io_context& loop, std::string path, const Clock& clock,
              Scheduler& scheduler);

    /// Calls `done` once, later, at `deadline` at the latest.
    void ask(Secret request, BootTime deadline, Done done);
    /// Ends it: no `done` is called any more.
    void close();

    [[nodiscard]] std::size_t outstanding() const noexcept { return requests_.size(); }

private:
    struct Pending {
        std::uint64_t number;
        Secret bytes;
        Done done;
        Scheduler::Id timer;
    };

    void open();
    void send_all();
    void write_more();
    void read_more();
    void received(std::size_t bytes);
    void answer_front(Result<std::string_view> answer);
    void drop(std::string why);
    void overdue(std::uint64_t number);

    boost::asio::local::stream_protocol::socket socket_;
    std::string path_;
    const Clock& clock_;
    Scheduler& scheduler_;
    std::deque<Pending> requests_;  // all that have no answer, in order
    std::uint64_t last_number_ = 0;
    std::uint64_t connection_ = 0;  // handlers of an earlier one do nothing
    bool up_ = false;
    bool writing_ = false;
    bool closed_ = false;
    std::string trouble_;   // why there is no connection
    WipedBytes unsent_;     // accepted, not being written
    WipedBytes in_flight_;  // being written
    WipedBytes input_;
    std::size_t held_ = 0;
    Scheduler::Id retry_ = 0;
};

}  // namespace postbearer::milter
