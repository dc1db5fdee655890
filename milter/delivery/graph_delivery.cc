// SPDX-License-Identifier: Apache-2.0
#include "milter/delivery/graph_delivery.hh"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "common/text.hh"
#include "milter/envelope/recipient_set.hh"
#include "milter/routing/match.hh"

namespace postbearer::milter {
namespace {

/// A mailbox's share of the sessions that may wait.
constexpr std::size_t kShare = 10;

std::string_view domain_of(std::string_view key) {
    const std::size_t at = key.rfind('@');
    return at == std::string_view::npos ? std::string_view() : key.substr(at + 1);
}

/// It goes into header fields, so a client's word for it is not enough.
bool is_queue_id(std::string_view text) noexcept {
    constexpr std::size_t kLongest = 64;
    return !text.empty() && text.size() <= kLongest &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
           });
}

}  // namespace

/// One transaction on its way. `replies` grow from "none yet" to one for each recipient.
struct GraphDelivery::Job {
    std::shared_ptr<Transaction> transaction;
    Done done;
    std::shared_ptr<const MilterConfig> config;
    HeaderFacts facts;
    BootTime since;
    std::optional<RouteStamp> stamp;  // the milter's word, if the header has it
    std::string queue_id;
    std::string route;
    std::string mailbox;
    std::string message_id;         // as sent; derived where the message has none
    std::vector<std::string> keys;  // of the recipients, in order
    std::vector<std::optional<LmtpReply>> replies;
    std::vector<std::size_t> to_send;  // indices, each address once
    std::vector<std::string> settled;  // keys whose 250 Postfix has to read
    std::size_t next = 0;              // into to_send
    std::size_t batch = 0;
    bool holds_place = false;
    std::vector<std::string> in_flight;  // keys that the ledger has from us, their end not yet
    bool over = false;

    /// As it came: the configuration does not change who a message is.
    [[nodiscard]] MessageIdentity identity() const { return {queue_id, facts.message_id}; }
    [[nodiscard]] bool all_answered() const {
        return std::all_of(replies.begin(), replies.end(),
                           [](const auto& reply) { return reply.has_value(); });
    }
    void answer(std::size_t index, const LmtpReply& reply) {
        for (std::size_t i = 0; i < keys.size(); ++i) {
            if (keys[i] == keys[index] && !replies[i]) {
                replies[i] = reply;
            }
        }
    }
    void answer_rest(const LmtpReply& reply) {
        for (auto& each : replies) {
            if (!each) {
                each = reply;
            }
        }
    }
    /// Indices of the batch in work.
    [[nodiscard]] std::vector<std::size_t> batch_indices() const {
        const std::size_t end = std::min(to_send.size(), next + config->graph.max_recipients);
        return {to_send.begin() + static_cast<std::ptrdiff_t>(next),
                to_send.begin() + static_cast<std::ptrdiff_t>(end)};
    }
    [[nodiscard]] std::vector<std::string> keys_at(const std::vector<std::size_t>& at) const {
        std::vector<std::string> out;
        out.reserve(at.size());
        for (const std::size_t index : at) {
            out.push_back(keys[index]);
        }
        return out;
    }
};

void GraphDelivery::deliver(std::shared_ptr<Transaction> transaction, Done done) {
    auto job = std::make_shared<Job>();
    job->transaction = std::move(transaction);
    job->done = std::move(done);
    job->config = services_.config.get();
    job->since = services_.clock.boot();
    job->facts = facts_of(job->transaction->message.header);
    for (const std::string& recipient : job->transaction->recipients) {
        job->keys.push_back(key_of(recipient));
    }
    job->replies.resize(job->keys.size());
    guarded(job, [&] { begin(job); });
}

/// The ledger comes before the configuration: what was sent stays sent, whatever the rules say now.
void GraphDelivery::begin(const JobPtr& job) {
    settle_identity(*job);
    if (job->transaction->message.bare_line_feed) {
        const LmtpReply reply{554, "5.6.11",
                              "the message holds a bare line feed; Exchange refuses "
                              "such mail, send CRLF line ends"};
        job->answer_rest(reply);
        log_answered(*job, "refused", reply);
    }
    leave_out_known(*job);
    if (!job->all_answered() && choose_route(*job)) {
        leave_out_local(*job);
        collect(*job);
        if (take_place(*job)) {
            next_batch(job);
            return;
        }
    }
    finish(*job);
}

/// The id of a header that we have signed, else what Postfix says: XFORWARD IDENT is the id of the
/// first hop where a content filter passes it on, the topmost Received that of this one.
void GraphDelivery::settle_identity(Job& job) const {
    const Transaction& given = *job.transaction;
    const std::string received = queue_id_in_received(job.facts.topmost_received);
    const std::string ident = is_queue_id(given.forwarded.ident) ? given.forwarded.ident : "";
    for (const std::string& id : {ident, received}) {
        for (const std::string& value : job.facts.route_headers) {
            if (!job.stamp && !id.empty()) {
                job.stamp = verify(services_.key, value, job.facts.message_id, id);
            }
        }
    }
    job.queue_id = job.stamp ? job.stamp->id : ident.empty() ? received : ident;
    if (job.queue_id.empty()) {
        // No MTA that we know: the message is told by all that its header section says, so that
        // two that only look alike are never taken for one.
        job.queue_id =
            "H" + services_.key.mac(given.message.header + std::to_string(given.message.size))
                      .substr(0, 15);
    }
}

/// The end of a job comes whatever is thrown on the way: its place, its entries in the ledger and
/// the client's answer hang on it.
template <typename Body>
void GraphDelivery::guarded(const JobPtr& job, Body&& body) {
    try {
        std::forward<Body>(body)();
        return;
    } catch (const std::exception& error) {
        give_up(*job, error.what());
    } catch (...) {
        give_up(*job, "an exception of unknown type");
    }
}

void GraphDelivery::give_up(Job& job, std::string_view what) noexcept {
    try {
        services_.log.write(LogLine(LogLevel::Error, "internal_error")
                                .add("queue_id", job.queue_id)
                                .add("what", printable(what, 200))
                                .add("action", "what is not sent yet is answered 451"));
    } catch (...) {  // NOLINT(bugprone-empty-catch): nothing is left to say it with
    }
    try {
        if (!job.in_flight.empty()) {
            services_.ledger.forget(job.identity(), std::exchange(job.in_flight, {}));
        }
    } catch (...) {  // NOLINT(bugprone-empty-catch): they stay in flight and wait
    }
    try {
        finish(job);
    } catch (...) {
        answer_without_words(job);
    }
}

/// The last resort: an empty answer is 451 for every recipient.
void GraphDelivery::answer_without_words(Job& job) noexcept {
    try {
        if (const Done done = std::exchange(job.done, nullptr)) {
            (void)done({});
        }
    } catch (...) {  // NOLINT(bugprone-empty-catch): the client's own failure
    }
}

/// True: `route` and `mailbox` are set and something may be sent. False: all are answered.
bool GraphDelivery::choose_route(Job& job) {
    if (job.stamp) {
        return follow_stamp(job, *job.stamp);
    }
    if (!job.facts.route_headers.empty()) {
        services_.log.write(LogLine(LogLevel::Warning, "routing_header_ignored")
                                .add("queue_id", job.queue_id)
                                .add("cause",
                                     "not signed by this host for this message; the "
                                     "[[route]] rules decide"));
    }
    return follow_rules(job);
}

bool GraphDelivery::follow_stamp(Job& job, const RouteStamp& stamp) {
    job.route = stamp.route;
    job.mailbox = stamp.mailbox;
    if (stamp.action == Action::Discard) {
        leave_out_local(job);
        const LmtpReply reply{250, "2.0.0", "discarded by route " + stamp.route};
        job.answer_rest(reply);
        log_answered(job, "discarded", reply);
        return false;
    }
    if (!job.config->graph.enabled) {
        Decision off;
        off.reason = "switched_off";
        const LmtpReply reply = queue_reply(off, QueuedBy::Milter, job.queue_id);
        job.answer_rest(reply);
        log_answered(job, "deferred", reply);
        return false;
    }
    return true;
}

bool GraphDelivery::follow_rules(Job& job) {
    const Transaction& given = *job.transaction;
    MessageContext message;
    message.via = Submission::Queue;
    message.mail_from = given.mail_from;
    message.recipients = given.recipients;
    message.size = given.message.size;
    message.headers = job.facts;
    const Decision decision = decide(*job.config, message);
    job.route = decision.route;
    job.mailbox = decision.mailbox;
    if (decision.action == Action::Graph) {
        return true;
    }
    if (decision.action == Action::Discard) {
        leave_out_local(job);
    }
    const LmtpReply reply = decision.action == Action::Discard
                                ? LmtpReply{250, "2.0.0", "discarded by route " + decision.route}
                                : queue_reply(decision, QueuedBy::Transport, job.queue_id);
    job.answer_rest(reply);
    log_answered(job,
                 reply.code < 300   ? "discarded"
                 : reply.code < 500 ? "deferred"
                                    : "refused",
                 reply);
    return false;
}

/// Recipients of this host can only have come in after the decision (design 4.6).
void GraphDelivery::leave_out_local(Job& job) const {
    const auto& local = job.config->local_domains;
    bool told = false;
    for (std::size_t i = 0; i < job.keys.size(); ++i) {
        const std::string_view domain = domain_of(job.keys[i]);
        if (job.replies[i] ||
            (!domain.empty() && std::find(local.begin(), local.end(), domain) == local.end())) {
            continue;
        }
        const LmtpReply reply{
            451, "4.3.5",
            "<" + printable(job.transaction->recipients[i], 200) +
                "> is a mailbox of this host and came in after the route was chosen: look at "
                "always_bcc, sender_bcc_maps, recipient_bcc_maps, virtual_alias_maps"};
        job.replies[i] = reply;
        if (!std::exchange(told, true)) {
            log_answered(job, "local_recipient", reply);
        }
    }
}

void GraphDelivery::leave_out_known(Job& job) const {
    bool told_again = false;
    bool told_waiting = false;
    for (std::size_t i = 0; i < job.keys.size(); ++i) {
        if (job.replies[i]) {
            continue;
        }
        const Ledger::Entry known = services_.ledger.find(job.identity(), job.keys[i]);
        if (known.state == Ledger::State::Done) {
            job.answer(i, known.reply);
            job.settled.push_back(job.keys[i]);
            if (!std::exchange(told_again, true)) {
                log_answered(job, "answered_again", known.reply);
            }
        } else if (known.state == Ledger::State::InFlight) {
            const LmtpReply reply{451, "4.3.0",
                                  "this message is being sent by another "
                                  "transaction and may have been delivered"};
            job.answer(i, reply);
            if (!std::exchange(told_waiting, true)) {
                log_answered(job, "deferred", reply);
            }
        }
    }
}

/// Who is left to send to, each address once. An address that no header can name is its own
/// recipient's trouble, not everybody's.
void GraphDelivery::collect(Job& job) const {
    job.message_id = job.facts.message_id.empty()
                         ? derived_message_id(services_.key, job.queue_id, job.mailbox)
                         : job.facts.message_id;
    std::unordered_set<std::string_view> seen;
    for (std::size_t i = 0; i < job.keys.size(); ++i) {
        if (job.replies[i] || !seen.insert(job.keys[i]).second) {
            continue;
        }
        const auto writable = RecipientSet::make({job.transaction->recipients[i]});
        if (writable) {
            job.to_send.push_back(i);
            continue;
        }
        const HeaderRefusal& refusal = writable.error();
        const LmtpReply reply{refusal.code, refusal.enhanced, refusal.text};
        job.answer(i, reply);
        log_answered(job, "refused", reply);
    }
}

/// A slow mailbox must not keep the others from the sessions of this front.
bool GraphDelivery::take_place(Job& job) {
    if (job.to_send.empty()) {
        return false;
    }
    const std::size_t most = job.config->sending->concurrency +
                             std::max<std::size_t>(1, services_.max_sessions / kShare);
    std::size_t& jobs = jobs_of_mailbox_[job.mailbox];
    if (jobs >= most) {
        const LmtpReply reply{451, "4.7.0",
                              "mailbox " + job.mailbox + " has " + std::to_string(jobs) +
                                  " messages waiting already, try again later"};
        job.answer_rest(reply);
        log_answered(job, "deferred", reply);
        return false;
    }
    ++jobs;
    job.holds_place = true;
    // All of them at once: while the first batch is under way nobody else may send the second.
    job.in_flight = job.keys_at(job.to_send);
    services_.ledger.begin(job.identity(), job.in_flight);
    return true;
}

void GraphDelivery::next_batch(const JobPtr& job) {
    if (job->next < job->to_send.size() && may_begin(*job)) {
        const std::vector<std::size_t> indices = job->batch_indices();
        HeaderEdit edit;
        edit.section = job->transaction->message.header;
        for (const std::size_t index : indices) {
            edit.recipients.push_back(job->transaction->recipients[index]);
        }
        edit.mailbox = job->mailbox;
        edit.mail_from = job->transaction->mail_from;
        edit.id = job->queue_id;
        edit.batch = ++job->batch;
        edit.visible = job->batch == 1;
        edit.fallback_message_id = job->message_id;
        auto header = edit_header(edit);
        if (!header) {
            const HeaderRefusal& refusal = header.error();
            const LmtpReply reply{refusal.code, refusal.enhanced, refusal.text};
            job->answer_rest(reply);
            log_answered(*job, "refused", reply);
            finish(*job);
            return;
        }
        GraphMessage message{job->mailbox, header->bytes, job->transaction, job->queue_id};
        auto edited = std::make_shared<const EditedHeader>(std::move(*header));
        services_.sender.send(std::move(message), [this, job, edited](const SendOutcome& outcome) {
            guarded(job, [&] { sent(job, *edited, outcome); });
        });
        return;
    }
    finish(*job);
}

void GraphDelivery::sent(const JobPtr& job, const EditedHeader& header,
                         const SendOutcome& outcome) {
    if (job->over) {  // given up; whoever threw has called back all the same
        return;
    }
    // The answers first: whatever fails below, they are what Graph said.
    const std::vector<std::size_t> indices = job->batch_indices();
    for (const std::size_t index : indices) {
        job->answer(index, outcome.reply);
    }
    const std::vector<std::string> keys = job->keys_at(indices);
    const std::unordered_set<std::string_view> ended(keys.begin(), keys.end());
    std::erase_if(job->in_flight, [&](const std::string& key) { return ended.contains(key); });
    if (outcome.send_class == SendClass::Done) {
        services_.ledger.done(job->identity(), keys, outcome.reply);
        job->settled.insert(job->settled.end(), keys.begin(), keys.end());
    } else {
        services_.ledger.forget(job->identity(), keys);
    }
    log_sent(*job, header, outcome);
    job->next += indices.size();
    next_batch(job);
}

/// lmtp(8) hangs up after lmtp_data_done_timeout; a batch that would end later is left to the next
/// transaction.
bool GraphDelivery::may_begin(Job& job) const {
    constexpr std::chrono::seconds kPostfixWaits{600};
    constexpr std::chrono::seconds kTokenAndBody{30};
    const GraphSettings& sending = *job.config->sending;
    const auto longest = sending.budget + sending.answer_timeout + kTokenAndBody;
    if (job.batch == 0 || services_.clock.boot() + longest < job.since + kPostfixWaits) {
        return true;
    }
    const LmtpReply reply{451, "4.3.0",
                          "no time is left in this transaction for the rest of the recipients; "
                          "Postfix tries again"};
    job.answer_rest(reply);
    log_answered(job, "deferred", reply);
    return false;
}

void GraphDelivery::finish(Job& job) {
    job.over = true;
    if (!job.in_flight.empty()) {  // batches that were never begun
        services_.ledger.forget(job.identity(), std::exchange(job.in_flight, {}));
    }
    if (std::exchange(job.holds_place, false)) {
        const auto place = jobs_of_mailbox_.find(job.mailbox);
        if (place != jobs_of_mailbox_.end() && --place->second == 0) {
            jobs_of_mailbox_.erase(place);
        }
    }
    std::vector<LmtpReply> replies;
    replies.reserve(job.replies.size());
    for (auto& reply : job.replies) {
        replies.push_back(std::move(reply).value_or(LmtpReply{451, "4.3.0", "not sent"}));
    }
    const Done done = std::exchange(job.done, nullptr);
    if (!done) {
        return;  // answered before it was given up
    }
    const bool answered = done(std::move(replies));
    if (answered) {
        services_.ledger.answered(job.identity(), job.settled);
    } else if (!job.settled.empty()) {
        services_.log.write(LogLine(LogLevel::Warning, "client_gone")
                                .add("queue_id", job.queue_id)
                                .add("action",
                                     "what was delivered is answered 250 when Postfix "
                                     "asks again"));
    }
}

void GraphDelivery::log_sent(const Job& job, const EditedHeader& header,
                             const SendOutcome& outcome) const {
    const Transaction& given = *job.transaction;
    const bool good = outcome.send_class == SendClass::Done;
    LogLine line(good ? LogLevel::Info : LogLevel::Warning, good ? "sent" : "not_sent");
    if (outcome.send_class == SendClass::InDoubt) {
        line = LogLine(LogLevel::Warning, "in_doubt");
    }
    line.add("queue_id", job.queue_id).add("from", '<' + printable(given.mail_from, 320) + '>');
    line.add("mailbox", job.mailbox).add_if("route", job.route);
    line.add("rcpt", static_cast<std::int64_t>(job.batch_indices().size()));
    line.add("visible", static_cast<std::int64_t>(header.visible));
    line.add("hidden", static_cast<std::int64_t>(header.hidden));
    line.add("trimmed", static_cast<std::int64_t>(header.trimmed.size()));
    line.add("size", static_cast<std::int64_t>(given.message.size));
    line.add("http", outcome.http_status).add("ms", outcome.elapsed.count());
    line.add("wait_ms", outcome.waited.count()).add("tries", outcome.tries);
    line.add_if("code", outcome.error_code).add_if("request_id", outcome.request_id);
    line.add_if("client_request_id", outcome.client_request_id);
    line.add("mid", printable(job.message_id, 200));
    if (!good) {
        line.add("class", name_of(outcome.send_class));
        line.add("answer", std::to_string(outcome.reply.code) + ' ' + outcome.reply.enhanced + ' ' +
                               outcome.reply.text);
    }
    services_.log.write(line);
}

void GraphDelivery::log_answered(const Job& job, std::string_view event,
                                 const LmtpReply& reply) const {
    const Transaction& given = *job.transaction;
    LogLine line(reply.code < 300 ? LogLevel::Info : LogLevel::Warning, event);
    line.add("queue_id", job.queue_id).add("from", '<' + printable(given.mail_from, 320) + '>');
    line.add("rcpt", static_cast<std::int64_t>(given.recipients.size()));
    line.add("size", static_cast<std::int64_t>(given.message.size));
    line.add_if("route", job.route).add_if("mailbox", job.mailbox);
    line.add("answer", std::to_string(reply.code) + ' ' + reply.enhanced + ' ' + reply.text);
    services_.log.write(line);
}

}  // namespace postbearer::milter
