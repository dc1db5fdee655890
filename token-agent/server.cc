// SPDX-License-Identifier: Apache-2.0
#include "token-agent/server.hh"

#include <utility>

namespace postbearer::agent {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

using namespace std::chrono_literals;

/// Deadlines are checked this often: one timer for all sessions instead of one re-armed per
/// request.
constexpr std::chrono::milliseconds kSweepInterval = 250ms;
constexpr std::chrono::milliseconds kAcceptPause = 100ms;

}  // namespace

Server::Server(Services services, SessionLimits limits, Allowance allowance,
               Session::Handler handler, Strangers strangers)
    : services_(services),
      limits_(limits),
      allowance_(std::move(allowance)),
      handler_(std::move(handler)),
      strangers_(strangers) {}

Server::~Server() { stop(); }

Result<void> Server::listen(UniqueFd socket) {
    auto acceptor = std::make_unique<Acceptor>(services_.loop);
    error_code error;
    acceptor->assign(asio::local::stream_protocol(), socket.get(), error);
    if (error) {
        return failure(Errc::Internal, "cannot listen: " + error.message());
    }
    (void)socket.release();  // the acceptor owns it from here
    acceptor->non_blocking(true, error);
    acceptors_.push_back(std::move(acceptor));
    accept_next(*acceptors_.back());
    return {};
}

void Server::stop() {
    services_.scheduler.cancel(sweep_timer_);
    acceptors_.clear();
    while (!sessions_.empty()) {
        const std::shared_ptr<Session> session = sessions_.front();
        session->close();
    }
}

void Server::accept_next(Acceptor& acceptor) {
    acceptor.async_accept([this, &acceptor](const error_code& error, Session::Socket socket) {
        if (error == asio::error::operation_aborted || acceptors_.empty()) {
            return;  // stop() has destroyed the acceptor, perhaps after this connection was taken
        }
        if (error) {
            accept_failed(acceptor, error);
            return;
        }
        accept_next(acceptor);  // first: whatever becomes of this one, others are served
        accepted(std::move(socket));
    });
}

void Server::accept_failed(Acceptor& acceptor, const error_code& error) {
    const bool made_room =
        error == asio::error::no_descriptors &&
        (close_longest_idle([this](const Session& session) { return is_stranger(session); }) ||
         close_longest_idle([](const Session&) { return true; }));
    services_.log.write(LogLine(LogLevel::Error, "accept_failed")
                            .add("error", error.message())
                            .add("action", made_room ? "closed the longest idle connection"
                                                     : "trying again shortly"));
    const Acceptor* const which = &acceptor;
    services_.scheduler.at(services_.clock.boot() + kAcceptPause, [this, which] {
        for (const auto& each : acceptors_) {
            if (each.get() == which) {
                accept_next(*each);
            }
        }
    });
}

void Server::accepted(Session::Socket socket) {
    auto peer = service::peer_of(socket.native_handle());
    if (!peer) {
        services_.log.write(
            LogLine(LogLevel::Error, "peer_unknown").add("error", peer.error().context));
        return;
    }
    if (!make_room_for(*peer)) {
        return;  // closed at once: all that this uid may have are waiting for answers
    }
    const bool stranger = allowance_(*peer) <= strangers_.allowance;
    ++per_uid_[peer->uid];
    auto session =
        std::make_shared<Session>(std::move(socket), std::move(*peer), services_.clock, limits_,
                                  handler_, [this](const Session& closed) { forget(closed); });
    sessions_.push_back(session);
    places_[session.get()] = std::prev(sessions_.end());
    if (stranger) {
        stranger_sessions_.insert(session.get());
    }
    session->start();
    if (sweep_timer_ == 0) {
        sweep();
    }
}

bool Server::make_room_for(const service::Peer& peer) {
    const std::size_t allowed = allowance_(peer);
    for (auto count = per_uid_.find(peer.uid); count != per_uid_.end() && count->second >= allowed;
         count = per_uid_.find(peer.uid)) {
        if (!close_longest_idle(
                [&peer](const Session& session) { return session.peer().uid == peer.uid; })) {
            return false;
        }
    }
    // One user may own thousands of uids (user namespaces): strangers are bounded as a class too.
    while (allowed <= strangers_.allowance && stranger_sessions_.size() >= strangers_.total) {
        if (!close_longest_idle([this](const Session& session) { return is_stranger(session); })) {
            return false;
        }
    }
    return true;
}

bool Server::is_stranger(const Session& session) const {
    return stranger_sessions_.contains(&session);
}

bool Server::close_longest_idle(const Candidate& candidate) {
    std::shared_ptr<Session> chosen;
    for (const std::shared_ptr<Session>& session : sessions_) {
        // Who waits for an answer stays: else the request would go on without its connection, and
        // nothing would bound how many of those there are.
        if (session->is_working() || !candidate(*session)) {
            continue;
        }
        const bool better = !chosen || (session->is_idle() && !chosen->is_idle()) ||
                            (session->is_idle() == chosen->is_idle() &&
                             session->last_active() < chosen->last_active());
        if (better) {
            chosen = session;
        }
    }
    if (!chosen) {
        return false;
    }
    chosen->close();
    return true;
}

void Server::forget(const Session& session) {
    const auto place = places_.find(&session);
    if (place == places_.end()) {
        return;
    }
    const auto count = per_uid_.find(session.peer().uid);
    if (--count->second == 0) {
        per_uid_.erase(count);
    }
    const std::shared_ptr<Session> keep = *place->second;  // it is still on the stack
    sessions_.erase(place->second);
    places_.erase(place);
    stranger_sessions_.erase(&session);
}

void Server::sweep() {
    const BootTime now = services_.clock.boot();
    for (auto it = sessions_.begin(); it != sessions_.end();) {
        const std::shared_ptr<Session> session = *it;
        ++it;  // closing erases this one only
        session->check_deadline(now);
    }
    sweep_timer_ = sessions_.empty()
                       ? 0  // an agent without clients sleeps
                       : services_.scheduler.at(now + kSweepInterval, [this] { sweep(); });
}

}  // namespace postbearer::agent
