// SPDX-License-Identifier: Apache-2.0
#pragma once

// The LMTP server on a real Unix socket, with loop and clock turned by hand.

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/unique_fd.hh"
#include "milter/lmtp/lmtp_server.hh"
#include "tests/support/capture_log.hh"
#include "tests/support/failure.hh"
#include "tests/support/manual_time.hh"
#include "tests/support/temp_dir.hh"
#include "tests/unit/milter/lmtp/spool_reading.hh"

namespace postbearer::milter {

/// One end of a connection, never blocking.
class LmtpClient {
public:
    explicit LmtpClient(const std::string& path)
        : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(std::begin(address.sun_path), sizeof address.sun_path - 1);
        const auto* const generic =
            static_cast<const sockaddr*>(static_cast<const void*>(&address));
        if (!fd_.valid() || ::connect(fd_.get(), generic, sizeof address) != 0) {
            test::fail_errno("connect " + path);
        }
    }

    /// Bytes that the socket took.
    std::size_t send(std::string_view bytes) const {
        const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        return sent < 0 ? 0 : static_cast<std::size_t>(sent);
    }
    void end_of_commands() const { (void)::shutdown(fd_.get(), SHUT_WR); }
    void hang_up() { fd_.reset(); }

    /// What has come so far, all of it.
    const std::string& received() {
        std::array<char, 65536> buffer{};
        for (;;) {
            const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
            if (got > 0) {
                received_.append(buffer.data(), static_cast<std::size_t>(got));
                continue;
            }
            closed_ = closed_ || got == 0 || (errno != EAGAIN && errno != EINTR);
            return received_;
        }
    }
    /// What has come since the last time.
    std::string news() {
        const std::size_t from = std::exchange(told_, received().size());
        return received_.substr(from);
    }
    [[nodiscard]] bool closed() {
        (void)received();
        return closed_;
    }
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }

private:
    UniqueFd fd_;
    std::string received_;
    std::size_t told_ = 0;
    bool closed_ = false;
};

/// Keeps transactions and answers as the case wants it.
class TestDeliverer final : public Deliverer {
public:
    void deliver(std::shared_ptr<Transaction> transaction, Done done) override {
        transactions.push_back(transaction);
        contents.push_back(content_of(transaction->message));
        if (act) {
            act(*transaction, done);
            return;
        }
        told.push_back(done(replies_for(*transaction)));
    }
    static std::vector<LmtpReply> replies_for(const Transaction& transaction) {
        std::vector<LmtpReply> replies;
        for (const std::string& recipient : transaction.recipients) {
            replies.push_back({250, "2.0.0", "sent to " + recipient});
        }
        return replies;
    }
    /// From now on answers are the case's to give.
    void hold() {
        act = [this](const Transaction&, const Done& done) { held.push_back(done); };
    }

    std::function<void(const Transaction&, const Done&)> act;
    std::vector<std::shared_ptr<Transaction>> transactions;
    std::vector<std::string> contents;
    std::vector<bool> told;
    std::vector<Done> held;
};

inline const std::string kGreeting = "220 mail.test LMTP postbearer-milter\r\n";
inline const std::string kHello =
    "250-mail.test\r\n250-PIPELINING\r\n250-SIZE 157286400\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
    "250-ENHANCEDSTATUSCODES\r\n250 XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE\r\n";
inline const std::string kMailOk = "250 2.1.0 sender taken\r\n";
inline const std::string kRcptOk = "250 2.1.5 recipient taken\r\n";
inline const std::string kGoAhead = "354 end with a line of one dot\r\n";
inline const std::string kBye = "221 2.0.0 bye\r\n";
inline const std::string kStopping = "421 4.3.2 mail.test is shutting down, try again\r\n";
inline const std::string kEnvelope = "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n";
inline const std::string kTransaction = kEnvelope + "DATA\r\nSubject: x\r\n\r\nhello\r\n.\r\n";
inline const std::string kSent = "250 2.0.0 sent to b@y.test\r\n";
inline const std::string kTransactionOk = kMailOk + kRcptOk + kGoAhead + kSent;

struct LmtpRoom {
    LmtpRoom() {
        settings.host = "mail.test";
        settings.spool_dir = dir.path().string();
    }
    ~LmtpRoom() {
        server.reset();
        deliverer.held.clear();
        settle();
    }
    LmtpRoom(const LmtpRoom&) = delete;
    LmtpRoom& operator=(const LmtpRoom&) = delete;
    LmtpRoom(LmtpRoom&&) = delete;
    LmtpRoom& operator=(LmtpRoom&&) = delete;

    void serve() {
        server.emplace(
            LmtpServer::Services{loop, time, time, log, deliverer}, settings,
            [this](const service::Peer& peer) { return !strangers && peer.uid == ::getuid(); },
            open_spool);
        UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(std::begin(address.sun_path), sizeof address.sun_path - 1);
        const auto* const generic =
            static_cast<const sockaddr*>(static_cast<const void*>(&address));
        if (::bind(socket.get(), generic, sizeof address) != 0 ||
            ::listen(socket.get(), 4096) != 0 || !server->listen(std::move(socket))) {
            test::fail_errno("listen");
        }
    }
    LmtpClient& connect() {
        if (!server) {
            serve();
        }
        clients.push_back(std::make_unique<LmtpClient>(path));
        settle();
        return *clients.back();
    }
    /// Connected and past LHLO.
    LmtpClient& greeted() {
        LmtpClient& client = connect();
        say(client, "LHLO client.test\r\n");
        (void)client.news();
        return client;
    }
    /// Sends and lets the server react.
    void say(LmtpClient& client, std::string_view text) {
        for (int idle = 0; !text.empty() && idle < 100; ++idle) {
            const std::size_t sent = client.send(text);
            settle();
            if (sent != 0) {
                idle = 0;
                text.remove_prefix(sent);
            }
        }
    }
    [[nodiscard]] std::string answer_to(LmtpClient& client, std::string_view text) {
        (void)client.news();
        say(client, text);
        return client.news();
    }
    /// Runs the loop until it has nothing to do at once.
    void settle() {
        loop.restart();
        while (loop.poll() > 0) {
        }
    }
    void pass(std::chrono::milliseconds time_to_pass) {
        constexpr std::chrono::milliseconds kStep{500};
        for (std::chrono::milliseconds done{}; done < time_to_pass; done += kStep) {
            time.advance(std::min(kStep, time_to_pass - done));
            settle();
        }
    }

    boost::asio::io_context loop{1};
    test::ManualTime time;
    test::CaptureLog log;
    test::TempDir dir{"pb-lmtp"};
    std::string path = (dir / "graph.sock").string();
    LmtpSettings settings;
    OpenSpoolFile open_spool;
    bool strangers = false;
    TestDeliverer deliverer;
    std::vector<std::unique_ptr<LmtpClient>> clients;
    std::optional<LmtpServer> server;
};

}  // namespace postbearer::milter
