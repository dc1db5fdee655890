// SPDX-License-Identifier: Apache-2.0
#include "milter/front/front_session.hh"

#include <utility>

#include "common/text.hh"

namespace postbearer::milter {
namespace {

/// RFC 5321 4.5.3.1.10 asks for 100 at least; Postfix's own limit is 1000.
constexpr std::size_t kMostRecipients = 100'000;

bool has_brackets(std::string_view path) noexcept {
    return path.size() >= 2 && path.front() == '<' && path.back() == '>';
}

std::string without_brackets(std::string_view path) {
    return std::string(has_brackets(path) ? path.substr(1, path.size() - 2) : path);
}

}  // namespace

void FrontSession::mail(const FrontSender& sender) {
    reset();
    // smtpd(8) passes on what the client typed, brackets or not: a stranger decides about these. He
    // decides neither about his address, nor about {i} here and {rcpt_mailer} at RCPT.
    const bool local = !has_brackets(sender.path) && client_ && client_->is_loopback();
    from_pickup_ = local && !sender.queue_id.empty() && sender.queue_id != last_id_;
    message_.via = local ? Submission::Local : Submission::Smtp;
    message_.mail_from =
        sender.address.empty() ? without_brackets(sender.path) : std::string(sender.address);
    message_.sasl_user = sender.sasl_user;
}

void FrontSession::recipient(std::string_view path, std::string_view transport) {
    if (message_.recipients.size() == kMostRecipients) {
        spoil();
        return;
    }
    message_.recipients.push_back(without_brackets(path));
    if (!transport.empty() && !from_pickup_) {
        message_.via = Submission::Smtp;  // Postfix says that of SMTP mail only
    }
    message_.transports.emplace_back(transport);
}

void FrontSession::header(std::string_view name, std::string_view value) {
    header_size_ += name.size() + value.size() + 4;  // ": " and CRLF
    headers_.add(name, value);
}

void FrontSession::reset() {
    message_ = MessageContext();
    headers_ = HeaderFactsCollector();
    header_size_ = 0;
    body_size_ = 0;
    from_pickup_ = false;
    spoilt_ = false;
}

MessageContext FrontSession::context() && {
    if (message_.via == Submission::Smtp) {
        message_.client = client_;  // for sendmail(1) mail Postfix makes up 127.0.0.1
    }
    message_.header_size = grown(header_size_, message_.recipients);
    message_.size = message_.header_size + body_size_;
    message_.headers = std::move(headers_).finish();
    return std::move(message_);
}

FrontVerdict FrontSession::end(std::string_view queue_id) {
    last_id_ = queue_id;
    if (spoilt_ || message_.recipients.empty()) {
        reset();
        FrontVerdict failed;
        failed.reply = {451, "4.3.0", "this message could not be read, try again later"};
        return failed;
    }
    const auto config = services_.config.get();
    const std::uint64_t size = header_size_ + body_size_;
    const MessageContext message = std::move(*this).context();
    reset();
    const Decision decision = decide(*config, message);
    FrontVerdict verdict = verdict_of(decision, queue_id, message);
    verdict.headers_to_remove = message.headers.route_headers.size();
    write_log(queue_id, message, size, decision);
    return verdict;
}

FrontVerdict FrontSession::verdict_of(const Decision& decision, std::string_view queue_id,
                                      const MessageContext& message) const {
    FrontVerdict verdict;
    verdict.kind = FrontVerdict::Kind::Accept;
    if (decision.action == Action::Reject) {
        verdict.kind = FrontVerdict::Kind::Reject;
        verdict.reply = decision.reply;
    } else if (decision.action != Action::Relay) {
        const RouteStamp stamp{decision.action, std::string(queue_id), decision.route,
                               decision.mailbox};
        auto value = sign(services_.key, stamp, message.headers.message_id);
        if (!value) {
            services_.log.write(LogLine(LogLevel::Error, "route_not_signed")
                                    .add("queue_id", queue_id)
                                    .add("cause", value.error().context)
                                    .add("action", "answered 451; the client tries again"));
            verdict.kind = FrontVerdict::Kind::TempFail;
            verdict.reply = {451, "4.3.0", "the route could not be signed, try again later"};
            return verdict;
        }
        verdict.header_value = std::move(*value);
    }
    return verdict;
}

void FrontSession::write_log(std::string_view queue_id, const MessageContext& message,
                             std::uint64_t size, const Decision& decision) const {
    LogLine line(LogLevel::Info, "routed");
    line.add("queue_id", queue_id).add("from", '<' + printable(message.mail_from, 320) + '>');
    line.add("rcpt", static_cast<std::int64_t>(message.recipients.size()));
    line.add("size", static_cast<std::int64_t>(size));
    line.add("decision", name_of(decision.action)).add_if("route", decision.route);
    line.add_if("mailbox", decision.mailbox);
    line.add("reason", decision.reason).add_if("detail", decision.detail);
    if (!message.headers.route_headers.empty()) {
        line.add("forged_headers", static_cast<std::int64_t>(message.headers.route_headers.size()));
    }
    services_.log.write(line);
}

}  // namespace postbearer::milter
