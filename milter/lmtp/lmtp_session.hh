// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/clock.hh"
#include "common/log.hh"
#include "common/service/peer.hh"
#include "milter/lmtp/lmtp_protocol.hh"
#include "milter/lmtp/transaction.hh"

namespace postbearer::milter {

/// One LMTP connection. It reads nothing while a transaction is with the deliverer, and stays until
/// the deliverer has answered, client or no client: so what is under way is bounded by the
/// sessions.
class LmtpSession : public std::enable_shared_from_this<LmtpSession> {
public:
    using Socket = boost::asio::local::stream_protocol::socket;
    using Closed = std::function<void(const LmtpSession&)>;
    struct Services {
        const Clock& clock;
        Log& log;
        Deliverer& deliverer;
    };

    /// `closed` is called once. Nothing given here is used after that.
    LmtpSession(Socket socket, service::Peer peer, std::shared_ptr<const LmtpSettings> settings,
                OpenSpoolFile open_spool, Services services, Closed closed);

    void start();
    /// At once and for good, even if a transaction is under way: its `done` returns false.
    void close() noexcept;
    /// 421 and the end, after the transaction that is under way.
    void drain();
    /// Called by the server's sweep.
    void check_deadline(BootTime now);

    [[nodiscard]] bool delivering() const noexcept { return with_deliverer_; }
    [[nodiscard]] bool in_transaction() const noexcept { return protocol_.in_transaction(); }
    /// When the client last did something.
    [[nodiscard]] BootTime last_active() const noexcept { return active_at_; }

private:
    template <typename Body>
    void guarded(Body&& body) noexcept;
    void failed(const char* what) noexcept;

    void pump();
    void pump_later();
    void take_input();
    void read_more();
    void flush();
    void write_rest(std::size_t sent);
    void deliver(std::shared_ptr<Transaction> transaction);
    bool answered(std::uint64_t number, const std::vector<LmtpReply>& replies) noexcept;
    void deliverer_failed(std::uint64_t number, const char* what);
    void watch_for_hang_up();
    [[nodiscard]] bool client_is_there();
    void lose_client() noexcept;

    Socket socket_;
    std::shared_ptr<const LmtpSettings> settings_;
    Services services_;
    Closed closed_;
    LmtpProtocol protocol_;
    std::vector<char> buffer_;  // [begin_, end_) is not served yet
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::string sending_;
    std::uint64_t deliveries_ = 0;
    BootTime active_at_;
    BootTime writing_since_;
    bool pumping_ = false;
    bool reading_ = false;
    bool writing_ = false;
    bool with_deliverer_ = false;
    bool client_gone_ = false;  // while the transaction is with the deliverer
    bool over_ = false;
};

}  // namespace postbearer::milter
