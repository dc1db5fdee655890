// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/log.hh"
#include "common/service/peer.hh"
#include "milter/lmtp/incoming_message.hh"
#include "milter/lmtp/limits.hh"
#include "milter/lmtp/lmtp_parser.hh"
#include "milter/lmtp/spool_file.hh"
#include "milter/lmtp/transaction.hh"

namespace postbearer::milter {

/// The server's side of one LMTP connection without the connection: bytes in, bytes out,
/// transactions out. What it does depends on the bytes alone, not on how they are cut.
class LmtpProtocol {
public:
    enum class State : std::uint8_t {
        Command,
        Data,
        Delivering,  // until answer()
        Closing      // send the output, then hang up
    };

    LmtpProtocol(std::shared_ptr<const LmtpSettings> settings, OpenSpoolFile open_spool,
                 service::Peer peer, Log& log);

    /// Returns how many bytes were taken. Fewer than all: there is a transaction to deliver, the
    /// end has come, or output should be sent first.
    [[nodiscard]] std::size_t receive(std::string_view bytes);
    [[nodiscard]] bool has_output() const noexcept { return !output_.empty(); }
    [[nodiscard]] std::string take_output() noexcept { return std::exchange(output_, {}); }

    /// Once for each time that the state becomes Delivering; else null.
    [[nodiscard]] std::shared_ptr<Transaction> take_transaction() noexcept;
    /// One reply for each recipient; one that is missing is 451 4.3.0. State Delivering only.
    void answer(const std::vector<LmtpReply>& replies);

    /// The client's time is over: 421. A message that is coming in is forgotten.
    void expire(std::string_view why);
    /// No more transactions: 421 now, or after the one that is under way.
    void drain();

    [[nodiscard]] State state() const noexcept { return state_; }
    /// From MAIL to the last reply.
    [[nodiscard]] bool in_transaction() const noexcept { return transaction_ || delivering(); }
    [[nodiscard]] bool delivering() const noexcept { return state_ == State::Delivering; }
    /// Lines taken so far: a client that only trickles bytes makes no progress.
    [[nodiscard]] std::uint64_t commands() const noexcept { return commands_; }

private:
    std::size_t receive_command(std::string_view bytes);
    std::size_t receive_data(std::string_view bytes);
    void end_of_line();
    void obey(std::string_view line);
    void obey(const LmtpCommand& command);
    void lhlo(std::string_view argument);
    void mail(std::string_view argument);
    void rcpt(std::string_view argument);
    void data();
    void end_of_data();
    void xforward(std::string_view argument);
    void quit();

    void reply(int code, const char* enhanced, std::string text);
    void reply(const LmtpReply& reply);
    void refuse(const LmtpReply& refusal);
    /// A reply that counts: the client does not speak the protocol.
    void complain(const LmtpReply& reply);
    void complain(int code, const char* enhanced, std::string text);
    void hang_up(const char* enhanced, std::string text);
    void reset();
    void transaction_over();

    std::shared_ptr<const LmtpSettings> settings_;
    OpenSpoolFile open_spool_;
    service::Peer peer_;
    Log& log_;
    State state_ = State::Command;
    std::string line_;
    bool line_too_long_ = false;
    std::string output_;
    bool greeted_ = false;
    bool draining_ = false;
    std::size_t errors_ = 0;
    std::uint64_t commands_ = 0;
    Forwarded forwarded_;
    std::shared_ptr<Transaction> transaction_;
    std::unique_ptr<IncomingMessage> message_;
    std::size_t recipients_ = 0;  // of the transaction that is delivered
    bool smtputf8_ = false;       // its
};

}  // namespace postbearer::milter
