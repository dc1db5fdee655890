// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/clock.hh"
#include "common/log.hh"
#include "common/result.hh"
#include "common/scheduler.hh"
#include "common/service/peer.hh"
#include "common/unique_fd.hh"
#include "milter/lmtp/limits.hh"
#include "milter/lmtp/lmtp_session.hh"

namespace postbearer::milter {

/// Listens for lmtp(8) on Unix sockets. The program ignores SIGXFSZ: a file size limit is then a
/// full disk like any other (452).
class LmtpServer {
public:
    struct Services {
        boost::asio::io_context& loop;  // outlives every `done` that the deliverer holds
        const Clock& clock;
        Scheduler& scheduler;
        Log& log;
        Deliverer& deliverer;
    };
    /// False: a stranger, who is told so.
    using PeerCheck = std::function<bool(const service::Peer&)>;

    /// Without `open_spool` messages go into nameless files in settings.spool_dir.
    LmtpServer(Services services, LmtpSettings settings, PeerCheck allowed,
               OpenSpoolFile open_spool = nullptr);
    ~LmtpServer();
    LmtpServer(const LmtpServer&) = delete;
    LmtpServer& operator=(const LmtpServer&) = delete;
    LmtpServer(LmtpServer&&) = delete;
    LmtpServer& operator=(LmtpServer&&) = delete;

    /// Takes over a bound, listening Unix stream socket.
    [[nodiscard]] Result<void> listen(UniqueFd socket);

    /// For sessions from now on; those there are keep what they began with.
    void configure(LmtpSettings settings);

    /// No more connections. Idle sessions get 421 at once, others finish their transaction first;
    /// `gone` is called once, from the loop, when there are none left. The caller bounds the wait
    /// with close_all().
    void stop(std::function<void()> gone);
    void close_all();

    [[nodiscard]] std::size_t sessions() const noexcept { return sessions_.size(); }
    /// Those whose transaction is with the deliverer.
    [[nodiscard]] std::size_t delivering() const noexcept;

private:
    using Acceptor = boost::asio::local::stream_protocol::acceptor;
    using SessionList = std::list<std::shared_ptr<LmtpSession>>;

    void accept_next(Acceptor& acceptor);
    void accept_again(const Acceptor* which);
    void accept_failed(const Acceptor* which, const boost::system::error_code& error);
    void accepted(LmtpSession::Socket socket);
    [[nodiscard]] bool may_enter(LmtpSession::Socket& socket, const service::Peer& peer);
    [[nodiscard]] bool dismiss_longest_idle();
    void forget(const LmtpSession& session);
    void announce_if_gone();
    void sweep();

    Services services_;
    std::shared_ptr<const LmtpSettings> settings_;
    PeerCheck allowed_;
    OpenSpoolFile open_spool_;
    std::vector<std::unique_ptr<Acceptor>> acceptors_;
    SessionList sessions_;
    std::unordered_map<const LmtpSession*, SessionList::iterator> places_;
    std::function<void()> gone_;
    bool full_ = false;  // and the log says so
    Scheduler::Id sweep_timer_ = 0;
    Scheduler::Id accept_timer_ = 0;
    std::shared_ptr<int> alive_ = std::make_shared<int>();  // handlers in the loop may come late
};

}  // namespace postbearer::milter
