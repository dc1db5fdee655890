// SPDX-License-Identifier: Apache-2.0
#pragma once

// Listens on Unix sockets and keeps their sessions within bounds: connections per uid, deadlines,
// descriptors. One silent or hostile client never stops another.

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "common/clock.hh"
#include "common/log.hh"
#include "common/result.hh"
#include "common/scheduler.hh"
#include "common/service/peer.hh"
#include "common/unique_fd.hh"
#include "token-agent/session.hh"

namespace postbearer::agent {

class Server {
public:
    struct Services {
        boost::asio::io_context& loop;
        const Clock& clock;
        Scheduler& scheduler;
        Log& log;
    };

    /// How many connections this peer may hold; asked at each accept, so a reload counts at once.
    using Allowance = std::function<std::size_t(const service::Peer&)>;

    /// Peers with an allowance of at most `allowance` are strangers; all of them together hold at
    /// most `total` connections, however many uids they have.
    struct Strangers {
        std::size_t allowance;
        std::size_t total;
    };

    Server(Services services, SessionLimits limits, Allowance allowance, Session::Handler handler,
           Strangers strangers = {0, 0});
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    Server(Server&&) = delete;
    Server& operator=(Server&&) = delete;

    /// Takes over a bound, listening Unix stream socket.
    [[nodiscard]] Result<void> listen(UniqueFd socket);

    /// No more connections; those there are are closed.
    void stop();

    [[nodiscard]] std::size_t connections() const noexcept { return sessions_.size(); }

private:
    using Acceptor = boost::asio::local::stream_protocol::acceptor;
    using SessionList = std::list<std::shared_ptr<Session>>;

    void accept_next(Acceptor& acceptor);
    void accepted(Session::Socket socket);
    void accept_failed(Acceptor& acceptor, const boost::system::error_code& error);
    /// False: the peer has as many as it may, and none of them is idle.
    [[nodiscard]] bool make_room_for(const service::Peer& peer);
    using Candidate = std::function<bool(const Session&)>;
    [[nodiscard]] bool close_longest_idle(const Candidate& candidate);
    [[nodiscard]] bool is_stranger(const Session& session) const;
    void forget(const Session& session);
    void sweep();

    Services services_;
    SessionLimits limits_;
    Allowance allowance_;
    Session::Handler handler_;
    Strangers strangers_;
    std::unordered_set<const Session*> stranger_sessions_;
    std::vector<std::unique_ptr<Acceptor>> acceptors_;
    SessionList sessions_;
    std::unordered_map<const Session*, SessionList::iterator> places_;
    std::unordered_map<uid_t, std::size_t> per_uid_;
    Scheduler::Id sweep_timer_ = 0;
};

}  // namespace postbearer::agent
