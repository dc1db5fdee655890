// SPDX-License-Identifier: Apache-2.0
#include "milter/lmtp/lmtp_protocol.hh"

#include <utility>

#include "milter/lmtp/reply_text.hh"

namespace postbearer::milter {
namespace {

/// A client that pipelines without reading has to read before we go on.
constexpr std::size_t kMuchOutput = 64 * 1024;

}  // namespace

LmtpProtocol::LmtpProtocol(std::shared_ptr<const LmtpSettings> settings, OpenSpoolFile open_spool,
                           service::Peer peer, Log& log)
    : settings_(std::move(settings)),
      open_spool_(std::move(open_spool)),
      peer_(std::move(peer)),
      log_(log) {
    reply(220, "", settings_->host + " LMTP postbearer-milter");
}

std::size_t LmtpProtocol::receive(std::string_view bytes) {
    std::size_t taken = 0;
    while (taken < bytes.size() && output_.size() < kMuchOutput) {
        const std::string_view rest = bytes.substr(taken);
        if (state_ == State::Command) {
            taken += receive_command(rest);
        } else if (state_ == State::Data) {
            taken += receive_data(rest);
        } else {
            break;
        }
    }
    return taken;
}

std::size_t LmtpProtocol::receive_command(std::string_view bytes) {
    const std::size_t line_feed = bytes.find('\n');
    const bool complete = line_feed != std::string_view::npos;
    const std::string_view piece = complete ? bytes.substr(0, line_feed + 1) : bytes;
    if (line_too_long_ || line_.size() + piece.size() > kMaxCommandBytes) {
        line_too_long_ = true;
        line_.clear();
    } else {
        line_.append(piece);
    }
    if (complete) {
        end_of_line();
    }
    return piece.size();
}

void LmtpProtocol::end_of_line() {
    ++commands_;
    if (std::exchange(line_too_long_, false)) {
        complain(500, "5.5.2",
                 "command line longer than " + std::to_string(kMaxCommandBytes) + " bytes");
        return;
    }
    const std::string line = std::exchange(line_, {});
    const std::string_view text = line;
    if (!text.ends_with("\r\n")) {
        complain(500, "5.5.2", "the command line ends in LF without CR");
        return;
    }
    obey(text.substr(0, text.size() - 2));
}

void LmtpProtocol::obey(std::string_view line) {
    const auto command = parse_command(line);
    if (!command) {
        complain(command.error());
        return;
    }
    obey(*command);
}

void LmtpProtocol::obey(const LmtpCommand& command) {
    const bool alone = command.verb == LmtpVerb::Data || command.verb == LmtpVerb::Rset ||
                       command.verb == LmtpVerb::Quit;
    if (alone && !command.argument.empty()) {
        complain(501, "5.5.4", "no argument expected");
        return;
    }
    switch (command.verb) {
        case LmtpVerb::Lhlo:
            return lhlo(command.argument);
        case LmtpVerb::Mail:
            return mail(command.argument);
        case LmtpVerb::Rcpt:
            return rcpt(command.argument);
        case LmtpVerb::Data:
            return data();
        case LmtpVerb::Rset:
            reply(250, "2.0.0", "forgotten");
            return transaction_over();
        case LmtpVerb::Noop:
            return reply(250, "2.0.0", "nothing done");
        case LmtpVerb::Quit:
            return quit();
        case LmtpVerb::Vrfy:
            return reply(252, "2.0.0", "send a message and its reply will tell");
        case LmtpVerb::Xforward:
            return xforward(command.argument);
        case LmtpVerb::Helo:
            return complain(500, "5.5.1", "this is LMTP, say LHLO");
        case LmtpVerb::Unknown:
            break;
    }
    complain(500, "5.5.1", "command not known");
}

void LmtpProtocol::lhlo(std::string_view argument) {
    if (argument.empty()) {
        complain(501, "5.5.4", "expected LHLO host-name");
        return;
    }
    greeted_ = true;
    reset();
    output_ += "250-" + settings_->host + "\r\n";
    output_ += "250-PIPELINING\r\n";
    output_ += "250-SIZE " + std::to_string(settings_->limits.max_message_bytes) + "\r\n";
    output_ += "250-8BITMIME\r\n";
    output_ += "250-SMTPUTF8\r\n";
    output_ += "250-ENHANCEDSTATUSCODES\r\n";
    output_ += "250 XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE\r\n";
    if (draining_) {
        drain();
    }
}

void LmtpProtocol::mail(std::string_view argument) {
    if (!greeted_) {
        complain(503, "5.5.1", "say LHLO first");
        return;
    }
    if (transaction_) {
        complain(503, "5.5.1", "a transaction is under way");
        return;
    }
    auto command = parse_mail(argument);
    if (!command) {
        refuse(command.error());
        return;
    }
    const std::uint64_t most = settings_->limits.max_message_bytes;
    if (command->size.value_or(0) > most) {
        reply(552, "5.3.4",
              "message of " + std::to_string(*command->size) + " bytes is larger than the " +
                  std::to_string(most) + " bytes that are taken here");
        return;
    }
    transaction_ = std::make_shared<Transaction>();
    transaction_->mail_from = std::move(command->address);
    transaction_->smtputf8 = command->smtputf8;
    transaction_->eight_bit_mime = command->eight_bit_mime;
    transaction_->forwarded = forwarded_;
    transaction_->peer = peer_;
    reply(250, "2.1.0", "sender taken");
}

void LmtpProtocol::rcpt(std::string_view argument) {
    if (!transaction_) {
        complain(503, "5.5.1", "say MAIL first");
        return;
    }
    auto address = parse_rcpt(argument, transaction_->smtputf8);
    if (!address) {
        refuse(address.error());
        return;
    }
    if (transaction_->recipients.size() >= settings_->limits.max_recipients) {
        reply(452, "4.5.3",
              "more than " + std::to_string(settings_->limits.max_recipients) + " recipients");
        return;
    }
    transaction_->recipients.push_back(std::move(*address));
    reply(250, "2.1.5", "recipient taken");
}

void LmtpProtocol::data() {
    if (!transaction_) {
        complain(503, "5.5.1", "say MAIL first");
        return;
    }
    if (transaction_->recipients.empty()) {
        reply(503, "5.5.1", "no recipient was taken");
        return;
    }
    auto file = open_spool_();
    if (!file) {
        log_.write(LogLine(LogLevel::Error, "lmtp_spool_failed")
                       .add_if("queue_id", forwarded_.ident)
                       .add("error", file.error().context));
        reply(452, "4.3.1", file.error().context);
        transaction_over();
        return;
    }
    message_ = std::make_unique<IncomingMessage>(settings_->limits,
                                                 SpoolFile(std::move(*file), settings_->spool_dir));
    state_ = State::Data;
    reply(354, "", "end with a line of one dot");
}

std::size_t LmtpProtocol::receive_data(std::string_view bytes) {
    const std::size_t taken = message_->feed(bytes);
    if (message_->done()) {
        end_of_data();
    }
    return taken;
}

void LmtpProtocol::end_of_data() {
    auto message = message_->finish();
    message_.reset();
    recipients_ = transaction_->recipients.size();
    smtputf8_ = transaction_->smtputf8;
    state_ = State::Delivering;
    if (message) {
        transaction_->message = std::move(*message);
        return;
    }
    if (message.error().code == 452) {
        log_.write(LogLine(LogLevel::Error, "lmtp_spool_failed")
                       .add_if("queue_id", forwarded_.ident)
                       .add("error", message.error().text));
    }
    answer(std::vector<LmtpReply>(recipients_, message.error()));
}

std::shared_ptr<Transaction> LmtpProtocol::take_transaction() noexcept {
    return delivering() ? std::move(transaction_) : nullptr;
}

void LmtpProtocol::answer(const std::vector<LmtpReply>& replies) {
    for (std::size_t i = 0; i < recipients_; ++i) {
        append_reply(
            output_,
            i < replies.size() ? replies[i] : LmtpReply{451, "4.3.0", "internal error, try again"},
            smtputf8_);
    }
    state_ = State::Command;
    transaction_over();
}

void LmtpProtocol::xforward(std::string_view argument) {
    if (transaction_) {
        complain(503, "5.5.1", "a transaction is under way");
        return;
    }
    auto known = parse_xforward(argument, forwarded_);
    if (!known) {
        complain(known.error());
        return;
    }
    forwarded_ = std::move(*known);
    reply(250, "2.0.0", "taken");
}

void LmtpProtocol::quit() {
    reset();
    reply(221, "2.0.0", "bye");
    state_ = State::Closing;
}

void LmtpProtocol::expire(std::string_view why) { hang_up("4.4.2", std::string(why)); }

void LmtpProtocol::drain() {
    draining_ = true;
    if (!in_transaction() && state_ != State::Closing) {
        hang_up("4.3.2", settings_->host + " is shutting down, try again");
    }
}

void LmtpProtocol::reply(int code, const char* enhanced, std::string text) {
    reply(LmtpReply{code, enhanced, std::move(text)});
}

void LmtpProtocol::reply(const LmtpReply& reply) { append_reply(output_, reply); }

/// Bad addresses (5.1.x, 5.6.7) are the senders' doing: a session of many mails may go on.
void LmtpProtocol::refuse(const LmtpReply& refusal) {
    if (refusal.enhanced.starts_with("5.5.")) {
        complain(refusal);
    } else {
        reply(refusal);
    }
}

void LmtpProtocol::complain(int code, const char* enhanced, std::string text) {
    complain(LmtpReply{code, enhanced, std::move(text)});
}

void LmtpProtocol::complain(const LmtpReply& complaint) {
    if (++errors_ <= settings_->limits.max_errors) {
        reply(complaint);
        return;
    }
    log_.write(LogLine(LogLevel::Warning, "lmtp_abuse")
                   .add("uid", static_cast<std::int64_t>(peer_.uid))
                   .add("pid", static_cast<std::int64_t>(peer_.pid))
                   .add("last_reply", complaint.text));
    hang_up("4.7.0", "too many errors");
}

void LmtpProtocol::hang_up(const char* enhanced, std::string text) {
    reset();
    message_.reset();
    reply(421, enhanced, std::move(text));
    state_ = State::Closing;
}

void LmtpProtocol::reset() {
    transaction_.reset();
    forwarded_ = Forwarded();
}

void LmtpProtocol::transaction_over() {
    reset();
    if (draining_) {
        drain();
    }
}

}  // namespace postbearer::milter
