// SPDX-License-Identifier: Apache-2.0
#include "milter/routing/router.hh"

#include <algorithm>
#include <unordered_set>

#include "common/text.hh"
#include "milter/envelope/mailbox_name.hh"
#include "milter/envelope/recipient_set.hh"
#include "milter/lmtp/limits.hh"
#include "milter/routing/match.hh"

namespace postbearer::milter {
namespace {

/// One message on its way through the conditions of design 4.6. Each check says nothing, or the
/// decision that ends the way.
class Way {
public:
    Way(const MilterConfig& config, const MessageContext& message, const MatchKeys& keys,
        const Route& route)
        : config_(config), policy_(config.graph), message_(message), keys_(keys), route_(route) {}

    using Verdict = std::optional<Decision>;

    [[nodiscard]] Decision decide();
    /// The first condition: whether this submitter may use these senders.
    [[nodiscard]] Verdict check_allowed() const;

private:
    [[nodiscard]] Decision made(Action action, std::string reason, std::string detail) const;
    [[nodiscard]] Decision relay(std::string reason, std::string detail) const {
        return made(Action::Relay, std::move(reason), std::move(detail));
    }
    [[nodiscard]] Decision reject(int code, std::string enhanced, std::string reason,
                                  std::string detail) const;

    [[nodiscard]] Verdict check_from() const;
    [[nodiscard]] Verdict find_mailbox();
    [[nodiscard]] Verdict check_sender() const;
    [[nodiscard]] Verdict check_recipients() const;
    [[nodiscard]] Verdict check_places() const;
    [[nodiscard]] Verdict check_strangers() const;
    [[nodiscard]] Verdict check_headers() const;
    [[nodiscard]] Verdict check_size() const;
    [[nodiscard]] std::string mailbox_by_rule() const;

    const MilterConfig& config_;
    const GraphPolicy& policy_;
    const MessageContext& message_;
    const MatchKeys& keys_;
    const Route& route_;
    std::string mailbox_;
};

std::string shown(std::string_view text) { return '<' + printable(text, 200) + '>'; }

Decision Way::made(Action action, std::string reason, std::string detail) const {
    Decision decision;
    decision.action = action;
    decision.route = route_.name;
    decision.reason = std::move(reason);
    decision.detail = std::move(detail);
    return decision;
}

Decision Way::reject(int code, std::string enhanced, std::string reason, std::string detail) const {
    Decision decision = made(Action::Reject, std::move(reason), std::move(detail));
    decision.reply = {code, std::move(enhanced), decision.detail};
    return decision;
}

Way::Verdict Way::check_allowed() const {
    if (route_.allow_from.empty()) {
        return std::nullopt;
    }
    if (!keys_.sender.empty() && !matches(route_.allow_from, keys_.sender)) {
        return reject(550, "5.7.1", "allow_from",
                      "MAIL FROM " + shown(message_.mail_from) +
                          " may not be used here: it is not in allow_from of route " + route_.name);
    }
    for (const std::string& from : message_.headers.from) {
        if (!matches(route_.allow_from, from)) {
            return reject(550, "5.7.1", "allow_from",
                          "From " + shown(from) +
                              " may not be used here: it is not in allow_from of route " +
                              route_.name);
        }
    }
    if (message_.headers.from_doubtful) {
        return reject(550, "5.7.1", "allow_from",
                      "the From header cannot be read, so allow_from of route " + route_.name +
                          " cannot let it pass");
    }
    return std::nullopt;
}

Way::Verdict Way::check_from() const {
    const HeaderFacts& headers = message_.headers;
    if (headers.from_fields > 1 || headers.from.size() > 1 || headers.from_doubtful ||
        (headers.from_fields == 1 && headers.from.empty())) {
        const std::string detail =
            headers.from_doubtful ? "the From header cannot be read; Graph takes one plain address"
                                  : "Graph takes one From address, this message has several or an "
                                    "empty one";
        return message_.via == Submission::Queue ? reject(554, "5.6.0", "from", detail)
                                                 : relay("from", detail);
    }
    if (headers.from_fields == 0 && keys_.sender.empty()) {
        const std::string detail = "there is neither a From header nor a sender";
        return message_.via == Submission::Queue ? reject(554, "5.6.0", "from", detail)
                                                 : relay("from", detail);
    }
    return std::nullopt;
}

std::string Way::mailbox_by_rule() const {
    std::string from = message_.headers.from.empty() ? keys_.sender : message_.headers.from.front();
    switch (route_.mailbox.kind) {
        case MailboxRule::Kind::Sender:
            return keys_.sender.empty() ? from : keys_.sender;
        case MailboxRule::Kind::From:
            return from;
        case MailboxRule::Kind::Fixed:
            return route_.mailbox.address;
        case MailboxRule::Kind::Map:
            return route_.mailbox.map ? route_.mailbox.map->find(from, keys_.sasl_user) : "";
    }
    return {};
}

Way::Verdict Way::find_mailbox() {
    if (message_.mail_from.empty() && policy_.null_sender == NullSender::Relay) {
        return relay("null_sender", "Graph cannot send with the null sender (null_sender = relay)");
    }
    if (message_.mail_from.empty() && policy_.null_sender == NullSender::Reject) {
        return reject(550, "5.7.1", "null_sender",
                      "mail with the null sender is not taken here (null_sender = reject)");
    }
    mailbox_ = mailbox_by_rule();
    if (mailbox_.empty()) {
        return relay("mailbox", "the mailbox map has no entry for this sender");
    }
    if (!is_mailbox_name(mailbox_)) {
        return relay("mailbox", shown(mailbox_) + " cannot be a Graph mailbox");
    }
    return std::nullopt;
}

Way::Verdict Way::check_sender() const {
    if (policy_.envelope_from == EnvelopeFrom::RelayIfDifferent && !keys_.sender.empty() &&
        keys_.sender != mailbox_) {
        return relay("envelope_from", "MAIL FROM " + shown(message_.mail_from) +
                                          " is not the mailbox " + shown(mailbox_) +
                                          ", and Graph would drop it (envelope_from)");
    }
    return std::nullopt;
}

/// Postfix must have handed every recipient to one of `transports`, as far as it says so.
/// What no header can name would only be refused once it is queued.
Way::Verdict Way::check_recipients() const {
    for (const std::string& recipient : message_.recipients) {
        if (message_.via != Submission::Queue && !RecipientSet::make({recipient})) {
            return relay("recipient", shown(recipient) + " cannot stand in a header");
        }
    }
    return std::nullopt;
}

Way::Verdict Way::check_places() const {
    for (std::size_t i = 0; i < keys_.recipients.size(); ++i) {
        const std::string& key = keys_.recipients[i];
        const std::size_t at = key.rfind('@');
        const std::string_view domain =
            at == std::string::npos ? std::string_view() : std::string_view(key).substr(at + 1);
        const auto& local = config_.local_domains;
        if (message_.via != Submission::Queue &&
            (domain.empty() || std::find(local.begin(), local.end(), domain) != local.end())) {
            return relay("local_domains", shown(key) + " is delivered by this host");
        }
        if (message_.via != Submission::Smtp) {
            continue;
        }
        const std::string transport =
            i < message_.transports.size() ? message_.transports[i] : std::string();
        if (std::find(config_.transports.begin(), config_.transports.end(), transport) ==
            config_.transports.end()) {
            return relay("transports", transport.empty() ? "Postfix did not say which transport " +
                                                               shown(key) + " takes ({rcpt_mailer})"
                                                         : shown(key) + " takes the transport " +
                                                               printable(transport, 60));
        }
    }
    return std::nullopt;
}

Way::Verdict Way::check_strangers() const {
    if (message_.via == Submission::Queue || policy_.strangers == Strangers::Trim) {
        return std::nullopt;
    }
    const std::unordered_set<std::string_view> envelope(keys_.recipients.begin(),
                                                        keys_.recipients.end());
    std::string detail;
    for (const std::string& named : message_.headers.recipients) {
        if (!envelope.contains(named)) {
            detail = "To or Cc names " + shown(named) + ", who is not a recipient of this message";
            break;
        }
    }
    if (detail.empty() && message_.headers.recipients_doubtful) {
        detail = "To or Cc cannot be read with certainty";
    }
    if (detail.empty()) {
        return std::nullopt;
    }
    return policy_.strangers == Strangers::Reject
               ? reject(550, "5.6.0", "strangers", detail + " (strangers = reject)")
               : relay("strangers", detail);
}

Way::Verdict Way::check_headers() const {
    const HeaderFacts& headers = message_.headers;
    if (policy_.fragile_headers == Fragile::Relay && (!headers.fragile.empty() || headers.resent)) {
        const std::string name = headers.fragile.empty() ? "Resent-*" : headers.fragile.front();
        return relay("fragile_headers", "Graph would drop the header " + printable(name, 60));
    }
    const auto is_utf8 = [](const std::string& address) {
        return std::any_of(address.begin(), address.end(), [](char c) { return c < 0; });
    };
    const auto& recipients = message_.recipients;
    if (policy_.smtputf8 == Fragile::Relay &&
        (is_utf8(message_.mail_from) ||
         std::any_of(recipients.begin(), recipients.end(), is_utf8))) {
        return relay("smtputf8", "it is not known what Graph does with addresses beyond ASCII");
    }
    return std::nullopt;
}

Way::Verdict Way::check_size() const {
    const std::uint64_t encoded = base64_bytes(message_.size);
    const std::uint64_t most = config_.sending->max_body_bytes;
    if (encoded > most) {
        std::string detail = "the message has " + std::to_string(encoded) +
                             " bytes in base64, Graph takes " + std::to_string(most);
        return policy_.large == LargeMail::Reject || message_.via == Submission::Queue
                   ? reject(552, "5.3.4", "large", std::move(detail))
                   : relay("large", std::move(detail));
    }
    if (message_.header_size > kMaxHeaderBytes) {
        std::string detail = "the header section may have " + std::to_string(message_.header_size) +
                             " bytes at the LMTP front, which takes " +
                             std::to_string(kMaxHeaderBytes);
        return policy_.large == LargeMail::Reject ? reject(552, "5.3.4", "large", std::move(detail))
                                                  : relay("large", std::move(detail));
    }
    if (message_.via != Submission::Queue && message_.recipients.size() > policy_.max_recipients) {
        return relay("max_recipients", std::to_string(message_.recipients.size()) +
                                           " recipients, Graph takes " +
                                           std::to_string(policy_.max_recipients));
    }
    return std::nullopt;
}

Decision Way::decide() {
    if (route_.action == Action::Relay) {
        return relay("route", "route " + route_.name + " relays");
    }
    if (route_.action == Action::Reject) {
        return reject(550, "5.7.1", "route", route_.reason);
    }
    if (auto refused = check_allowed()) {
        return *refused;
    }
    if (route_.action == Action::Discard) {
        // Suppressed mail stays suppressed, whatever Graph would have made of it.
        return check_places().value_or(
            made(Action::Discard, "route", "route " + route_.name + " discards"));
    }
    if (auto ended = check_from()) {
        return *ended;
    }
    if (auto ended = find_mailbox()) {
        return *ended;
    }
    for (const auto check : {&Way::check_sender, &Way::check_places, &Way::check_recipients,
                             &Way::check_strangers, &Way::check_headers, &Way::check_size}) {
        if (auto ended = (this->*check)()) {
            return *ended;
        }
    }
    Decision decision = made(Action::Graph, "route", "route " + route_.name);
    decision.mailbox = mailbox_;
    return decision;
}

Decision no_route(const MilterConfig& config, const MessageContext& message,
                  const MatchKeys& keys) {
    Decision decision;
    decision.reason = "no_route";
    decision.detail = "no route matches";
    if (!keys.submitted) {
        MatchKeys trusted = keys;
        trusted.submitted = true;
        const auto routes = routes_of(config, message, trusted);
        if (std::any_of(routes.begin(), routes.end(),
                        [](const Route* r) { return r != nullptr; })) {
            decision.reason = "not_submitted";
            decision.detail =
                "neither authenticated, nor from sendmail(1) or one of trusted_clients";
        }
    }
    return decision;
}

}  // namespace

Decision decide(const MilterConfig& config, const MessageContext& message) {
    if (!config.graph.enabled) {
        Decision decision;
        decision.reason = "switched_off";
        decision.detail = "[graph] enabled = false";
        return decision;
    }
    const MatchKeys keys = match_keys(config, message);
    const auto routes = routes_of(config, message, keys);
    const Route* first = routes.empty() ? nullptr : routes.front();
    const bool one_route = std::all_of(routes.begin(), routes.end(),
                                       [&](const Route* route) { return route == first; });
    if (!one_route) {
        // What allow_from forbids must not get through by one more recipient.
        for (const Route& route : config.routes) {
            if (std::find(routes.begin(), routes.end(), &route) == routes.end()) {
                continue;
            }
            if (auto refused = Way(config, message, keys, route).check_allowed()) {
                return *std::move(refused);
            }
        }
        Decision decision;
        decision.reason = "recipients_differ";
        decision.detail = "the recipients fall under different routes";
        return decision;
    }
    if (first == nullptr) {
        return no_route(config, message, keys);
    }
    return Way(config, message, keys, *first).decide();
}

std::uint64_t grown(std::uint64_t size, const std::vector<std::string>& recipients) noexcept {
    constexpr std::uint64_t kFields = 4096;
    constexpr std::uint64_t kEachRecipient = 4;  // a comma and a fold
    size += kFields;
    for (const std::string& recipient : recipients) {
        size += recipient.size() + kEachRecipient;
    }
    return size;
}

LmtpReply queue_reply(const Decision& decision, QueuedBy queued_by, const std::string& queue_id) {
    if (decision.action == Action::Reject) {
        return decision.reply;
    }
    std::string text = "not sent: ";
    if (decision.reason == "switched_off") {
        text += "Graph is switched off ([graph] enabled = false in milter.toml)";
    } else if (decision.route.empty()) {
        text += decision.detail + " in milter.toml";
    } else {
        text += "route " + decision.route + ": " + decision.detail;
    }
    text += "; this front cannot relay: change the rule in milter.toml";
    if (queued_by == QueuedBy::Transport) {
        text += ", or the transport table that sends this message here";
    } else {
        text += ", or, unless an earlier attempt may have been sent, `postsuper -r " +
                (queue_id.empty() ? std::string("QUEUEID") : queue_id) +
                "` gives it to the usual transport";
    }
    return {451, "4.3.5", std::move(text)};
}

}  // namespace postbearer::milter
