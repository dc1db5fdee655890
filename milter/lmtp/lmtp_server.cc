// SPDX-License-Identifier: Apache-2.0
#include "milter/lmtp/lmtp_server.hh"

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <utility>

#include "milter/lmtp/reply_text.hh"

namespace postbearer::milter {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

using namespace std::chrono_literals;

/// One timer for all sessions; their limits are minutes.
constexpr std::chrono::milliseconds kSweepInterval = 1s;
constexpr std::chrono::milliseconds kAcceptPause = 100ms;

/// A fresh socket has room for a line.
void refuse(LmtpSession::Socket& socket, const char* enhanced, std::string text) {
    std::string line;
    append_reply(line, LmtpReply{421, enhanced, std::move(text)});
    error_code ignored;  // who does not wait for the answer does not get it
    socket.non_blocking(true, ignored);
    (void)socket.write_some(asio::buffer(line), ignored);
}

}  // namespace

LmtpServer::LmtpServer(Services services, LmtpSettings settings, PeerCheck allowed,
                       OpenSpoolFile open_spool)
    : services_(services),
      settings_(std::make_shared<const LmtpSettings>(std::move(settings))),
      allowed_(std::move(allowed)),
      open_spool_(std::move(open_spool)) {}

LmtpServer::~LmtpServer() {
    gone_ = nullptr;
    close_all();
}

Result<void> LmtpServer::listen(UniqueFd socket) {
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

void LmtpServer::configure(LmtpSettings settings) {
    settings_ = std::make_shared<const LmtpSettings>(std::move(settings));
}

void LmtpServer::stop(std::function<void()> gone) {
    gone_ = std::move(gone);
    services_.scheduler.cancel(accept_timer_);
    acceptors_.clear();
    const SessionList all = sessions_;  // draining erases
    for (const std::shared_ptr<LmtpSession>& session : all) {
        session->drain();
    }
    announce_if_gone();
}

void LmtpServer::close_all() {
    services_.scheduler.cancel(accept_timer_);
    services_.scheduler.cancel(sweep_timer_);
    sweep_timer_ = 0;
    acceptors_.clear();
    while (!sessions_.empty()) {
        const std::shared_ptr<LmtpSession> session = sessions_.front();
        session->close();
    }
}

std::size_t LmtpServer::delivering() const noexcept {
    std::size_t count = 0;
    for (const std::shared_ptr<LmtpSession>& session : sessions_) {
        count += session->delivering() ? 1U : 0U;
    }
    return count;
}

void LmtpServer::accept_next(Acceptor& acceptor) {
    acceptor.async_accept([this, which = &acceptor, alive = std::weak_ptr<int>(alive_)](
                              const error_code& error, LmtpSession::Socket socket) {
        if (alive.expired() || error == asio::error::operation_aborted) {
            return;
        }
        if (error) {
            accept_failed(which, error);
            return;
        }
        accept_again(which);  // first: whatever becomes of this one, others are served
        try {
            accepted(std::move(socket));
        } catch (const std::exception& failed) {
            services_.log.write(
                LogLine(LogLevel::Error, "lmtp_session_failed").add("error", failed.what()));
        } catch (...) {
            services_.log.write(
                LogLine(LogLevel::Error, "lmtp_session_failed").add("error", "unknown exception"));
        }
    });
}

/// A connection that was taken just before stop() has destroyed the acceptor comes after it.
void LmtpServer::accept_again(const Acceptor* which) {
    for (const auto& each : acceptors_) {
        if (each.get() == which) {
            accept_next(*each);
        }
    }
}

void LmtpServer::accept_failed(const Acceptor* which, const error_code& error) {
    const bool made_room = error == asio::error::no_descriptors && dismiss_longest_idle();
    services_.log.write(
        LogLine(LogLevel::Error, "accept_failed")
            .add("error", error.message())
            .add("action", made_room ? "closed the longest idle session" : "trying again shortly"));
    accept_timer_ = services_.scheduler.at(services_.clock.boot() + kAcceptPause,
                                           [this, which, alive = std::weak_ptr<int>(alive_)] {
                                               if (!alive.expired()) {
                                                   accept_again(which);
                                               }
                                           });
}

void LmtpServer::accepted(LmtpSession::Socket socket) {
    if (acceptors_.empty()) {
        refuse(socket, "4.3.2", settings_->host + " is shutting down, try again");
        return;
    }
    auto peer = service::peer_of(socket.native_handle());
    if (!peer) {
        services_.log.write(
            LogLine(LogLevel::Error, "peer_unknown").add("error", peer.error().context));
        return;
    }
    if (!may_enter(socket, *peer)) {
        return;
    }
    OpenSpoolFile open_spool = open_spool_;
    if (!open_spool) {
        open_spool = [directory = settings_->spool_dir] { return open_spool_file(directory); };
    }
    auto session = std::make_shared<LmtpSession>(
        std::move(socket), std::move(*peer), settings_, std::move(open_spool),
        LmtpSession::Services{services_.clock, services_.log, services_.deliverer},
        [this](const LmtpSession& closed) { forget(closed); });
    sessions_.push_back(session);
    places_[session.get()] = std::prev(sessions_.end());
    if (sweep_timer_ == 0) {
        sweep();
    }
    session->start();
}

bool LmtpServer::may_enter(LmtpSession::Socket& socket, const service::Peer& peer) {
    if (!allowed_(peer)) {
        services_.log.write(LogLine(LogLevel::Warning, "lmtp_peer_refused")
                                .add("uid", static_cast<std::int64_t>(peer.uid))
                                .add("pid", static_cast<std::int64_t>(peer.pid)));
        refuse(socket, "4.7.1", "uid " + std::to_string(peer.uid) + " may not deliver here");
        return false;
    }
    // Postfix keeps sessions for a while that have had their message, beside those at work.
    const std::size_t most = settings_->limits.max_sessions;
    if (sessions_.size() < most || (dismiss_longest_idle() && sessions_.size() < most)) {
        full_ = false;
        return true;
    }
    if (!std::exchange(full_, true)) {
        services_.log.write(
            LogLine(LogLevel::Warning, "lmtp_sessions_full")
                .add("max_sessions", static_cast<std::int64_t>(settings_->limits.max_sessions)));
    }
    refuse(socket, "4.3.2",
           "all " + std::to_string(settings_->limits.max_sessions) + " sessions are in use");
    return false;
}

/// Of the sessions without a transaction.
bool LmtpServer::dismiss_longest_idle() {
    std::shared_ptr<LmtpSession> chosen;
    for (const std::shared_ptr<LmtpSession>& session : sessions_) {
        if (!session->in_transaction() &&
            (!chosen || session->last_active() < chosen->last_active())) {
            chosen = session;
        }
    }
    if (chosen) {
        chosen->drain();
    }
    return chosen != nullptr;
}

void LmtpServer::forget(const LmtpSession& session) {
    const auto place = places_.find(&session);
    if (place == places_.end()) {
        return;
    }
    const std::shared_ptr<LmtpSession> keep = *place->second;  // it is still on the stack
    sessions_.erase(place->second);
    places_.erase(place);
    announce_if_gone();
}

void LmtpServer::announce_if_gone() {
    if (sessions_.empty() && gone_) {
        asio::post(services_.loop, std::exchange(gone_, nullptr));
    }
}

void LmtpServer::sweep() {
    const BootTime now = services_.clock.boot();
    const SessionList all = sessions_;  // expiring erases
    for (const std::shared_ptr<LmtpSession>& session : all) {
        session->check_deadline(now);
    }
    sweep_timer_ = sessions_.empty()
                       ? 0  // a daemon without clients sleeps
                       : services_.scheduler.at(now + kSweepInterval, [this] { sweep(); });
}

}  // namespace postbearer::milter
