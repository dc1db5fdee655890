// SPDX-License-Identifier: Apache-2.0
#include "milter/graph/graph_client.hh"

#include <algorithm>
#include <string_view>
#include <utility>

#include "common/text.hh"
#include "milter/envelope/mailbox_name.hh"
#include "milter/graph/base64_source.hh"
#include "milter/graph/graph_request.hh"

namespace postbearer::milter {
namespace {

using std::chrono::milliseconds;

constexpr int kAccepted = 202;
constexpr int kRedirections = 300;
constexpr int kUnauthorized = 401;
constexpr int kTooManyRequests = 429;
constexpr int kUnavailable = 503;
constexpr milliseconds kLeastTimeForBody{10'000};
constexpr int kMaxTries = 4;
constexpr std::size_t kMaxMailboxBytes = 320;

}  // namespace

struct GraphClient::Job {
    GraphMessage message;
    Done done;
    std::shared_ptr<const GraphSettings> settings;
    std::string key;      // of the mailbox in tables of ours
    std::string mailbox;  // printable
    BootTime deadline;    // of what is waited for before the last request begins
    BootTime since;       // when this wait or request began
    Slot slot;
    std::shared_ptr<Base64Source> body;
    std::string fingerprint;  // of the token in use
    bool token_refused = false;
    std::string refused_fingerprint;  // of that token
    GraphFault unauthorized;          // what it said then
    bool inside_send = true;
    SendOutcome outcome;
};

std::string_view name_of(SendClass send_class) noexcept {
    constexpr std::string_view kNames[] = {"done", "permanent", "transient", "in_doubt"};
    return kNames[static_cast<std::size_t>(send_class)];
}

GraphClient::GraphClient(http::HttpClient& http, TokenAsker& tokens, const Clock& clock,
                         Scheduler& scheduler, Log& log,
                         std::shared_ptr<const GraphSettings> settings)
    : http_(http),
      tokens_(tokens),
      clock_(clock),
      scheduler_(scheduler),
      log_(log),
      settings_(std::move(settings)),
      slots_(clock, scheduler, settings_->concurrency) {}

/// First, so that slots which are given back on the way find nobody to serve.
GraphClient::~GraphClient() { alive_.reset(); }

void GraphClient::reload(std::shared_ptr<const GraphSettings> settings) {
    settings_ = std::move(settings);
    slots_.set_concurrency(settings_->concurrency);
}

std::size_t GraphClient::waiting(const std::string& mailbox) const {
    return slots_.waiting(ascii_lower(mailbox));
}

void GraphClient::send(GraphMessage message, Done done) {
    const auto job = std::make_shared<Job>();
    job->message = std::move(message);
    job->done = std::move(done);
    job->settings = settings_;
    job->key = ascii_lower(job->message.mailbox);
    job->mailbox = printable(job->message.mailbox, kMaxMailboxBytes);
    job->since = clock_.boot();
    job->deadline = job->since + job->settings->budget;
    if (refuse_at_once(*job)) {
        const SmtpStatus status{job->outcome.reply.code, job->outcome.reply.enhanced};
        finish(job, SendClass::Permanent, status, job->outcome.reply.text);
    } else {
        take_slot(job);
    }
    job->inside_send = false;
}

/// What needs no question to Graph; the answer lies in the outcome then.
bool GraphClient::refuse_at_once(Job& job) const {
    if (!is_mailbox_name(job.message.mailbox)) {
        job.outcome.reply = {550, "5.1.8",
                             "'" + job.mailbox +
                                 "' is no mailbox: neither an address nor a GUID. Set mailbox = in "
                                 "the [[route]] of this sender"};
        return true;
    }
    const std::uint64_t bytes =
        base64_bytes(job.message.header.size() + job.message.of->message.body_bytes());
    if (bytes > job.settings->max_body_bytes) {
        job.outcome.reply = {552, "5.3.4",
                             "The message for mailbox " + job.mailbox + " makes " +
                                 std::to_string(bytes) + " bytes of base64, Graph takes " +
                                 std::to_string(job.settings->max_body_bytes) +
                                 ". Give large messages the relay route"};
        return true;
    }
    return false;
}

void GraphClient::take_slot(const JobPtr& job) {
    slots_.acquire(job->key, job->deadline, [this, job](SlotAnswer answer) {
        job->outcome.waited += clock_.boot() - job->since;
        if (answer) {
            job->slot = std::move(*answer);
            ask_token(job);
            return;
        }
        const SlotRefusal& why = answer.error();
        finish(job, SendClass::Transient, {451, "4.7.0"},
               why.paused ? "Graph has paused mailbox " + job->mailbox + " for another " +
                                std::to_string(why.time_left.count()) +
                                " s. Postfix tries again; lower its rate if this lasts"
                          : "Mailbox " + job->mailbox + " had more mail than Graph took within " +
                                std::to_string(job->settings->budget.count()) +
                                " s. Postfix tries again; spread its mail if this lasts");
    });
}

void GraphClient::ask_token(const JobPtr& job) {
    job->since = clock_.boot();
    tokens_.ask(job->message.mailbox, while_alive([this, job](protocol::TokenAnswer answer) {
                    const auto spent = clock_.boot() - job->since;
                    job->outcome.waited += spent;
                    job->deadline += spent;  // it has a time limit of its own
                    got_token(job, std::move(answer));
                }));
}

void GraphClient::got_token(const JobPtr& job, protocol::TokenAnswer answer) {
    if (!answer) {
        finish(job, SendClass::Transient, {451, "4.7.0"},
               "No token for mailbox " + job->mailbox + " (" +
                   std::string(protocol::name_of(answer.error().failure_class)) +
                   "): " + answer.error().message);
        return;
    }
    if (job->token_refused && answer->fingerprint == job->refused_fingerprint) {
        // The agent may renew one token only once a minute: Graph would refuse it again.
        const Verdict verdict = verdict_on(job->unauthorized, GraphStep::SendMail, std::nullopt);
        job->outcome.error_code = verdict.code;
        finish(job, SendClass::Transient, status_of(verdict, false),
               sentence_on(verdict, job->unauthorized.status, job->mailbox, job->outcome.request_id,
                           false));
        return;
    }
    job->fingerprint = answer->fingerprint;
    post(job, *answer);
}

void GraphClient::post(const JobPtr& job, const protocol::TokenGrant& grant) {
    job->since = clock_.boot();
    job->body = std::make_shared<Base64Source>(
        job->message.header,
        std::shared_ptr<const SpooledMessage>(job->message.of, &job->message.of->message));
    job->outcome.client_request_id = random_guid();
    ++job->outcome.tries;
    SendMailParts parts;
    parts.mailbox = job->message.mailbox;
    parts.token = grant.token.clone();
    parts.client_request_id = job->outcome.client_request_id;
    parts.body = job->body;
    parts.time_for_body = std::max(job->deadline - job->since, kLeastTimeForBody);
    parts.fresh_connection = std::exchange(fresh_connection_next_, false);
    http_.send(send_mail_request(*job->settings, std::move(parts)),
               while_alive([this, job](Result<http::Response> result) {
                   answered(job, std::move(result));
               }));
}

void GraphClient::answered(const JobPtr& job, Result<http::Response> result) {
    job->outcome.elapsed = clock_.boot() - job->since;
    if (!result) {
        lost(job, result.error());
        return;
    }
    const http::Response& response = *result;
    job->outcome.http_status = static_cast<int>(response.status);
    if (response.status == kAccepted && job->body->drained()) {
        job->outcome.request_id = header_in(response, "request-id");
        job->outcome.error_code.clear();
        grace_.clear(job->key);
        finish(job, SendClass::Done, {250, "2.0.0"},
               "Graph has taken the message for mailbox " + job->mailbox +
                   (job->outcome.request_id.empty()
                        ? std::string()
                        : " (request-id " + job->outcome.request_id + ")"));
        return;
    }
    const GraphFault fault = fault_in(response);
    job->outcome.request_id = fault.request_id;
    if (response.status == kUnauthorized && !job->token_refused) {
        unauthorized(job, fault, response);
    } else {
        refused(job, fault, response);
    }
}

void GraphClient::lost(const JobPtr& job, const Error& error) {
    const bool maybe_sent = job->body->drained();
    job->outcome.http_status = 0;
    job->outcome.request_id.clear();
    LogLine line(LogLevel::Warning, "graph_lost");
    line.add_if("queue_id", job->message.queue_id).add("mailbox", job->mailbox);
    line.add("in_doubt", maybe_sent ? "yes" : "no").add("error", error.context);
    line.add("client_request_id", job->outcome.client_request_id);
    log_.write(line);
    const std::string end = " (client-request-id " + job->outcome.client_request_id + ")";
    if (maybe_sent) {
        finish(job, SendClass::InDoubt, {451, "4.4.2"},
               "Graph got the message for mailbox " + job->mailbox +
                   " but its answer was lost; the message may have been sent. " + error.context +
                   end);
        return;
    }
    SmtpStatus status{451, job->body->handed() == 0 ? "4.4.1" : "4.4.2"};
    if (error.code == Errc::Config) {
        status.enhanced = "4.3.5";
    } else if (error.code == Errc::Internal) {
        status.enhanced = "4.3.0";
    }
    finish(
        job, SendClass::Transient, status,
        "The message for mailbox " + job->mailbox + " did not reach Graph. " + error.context + end);
}

/// The token is told to the agent, and the message goes once more with the next one.
void GraphClient::unauthorized(const JobPtr& job, const GraphFault& fault,
                               const http::Response& response) {
    job->token_refused = true;
    job->refused_fingerprint = job->fingerprint;
    job->unauthorized = fault;
    log_refusal(*job, verdict_on(fault, GraphStep::SendMail, std::nullopt), response);
    const auto header = response.headers.find("www-authenticate");
    const std::string claims =
        header == response.headers.end() ? std::string() : claims_in(header->second);
    const std::string detail =
        "HTTP 401 " + (fault.codes.empty() ? std::string("without a code") : fault.codes.front());
    job->since = clock_.boot();
    tokens_.rejected(job->message.mailbox, job->fingerprint, detail, claims,
                     while_alive([this, job] {
                         const auto spent = clock_.boot() - job->since;
                         job->outcome.waited += spent;
                         job->deadline += spent;
                         ask_token(job);
                     }));
}

bool GraphClient::may_send_again(const Job& job, const GraphFault& fault, const Verdict& verdict,
                                 const http::Response& response) const {
    const bool asked_to_wait =
        (fault.status == kTooManyRequests || fault.status == kUnavailable) && response.retry_after;
    return asked_to_wait && !job.body->drained() && job.outcome.tries < kMaxTries &&
           clock_.boot() + verdict.pause <= job.deadline;
}

void GraphClient::refused(const JobPtr& job, const GraphFault& fault,
                          const http::Response& response) {
    const Verdict verdict = verdict_on(fault, GraphStep::SendMail, response.retry_after);
    job->outcome.error_code = verdict.code;
    log_refusal(*job, verdict, response);
    fresh_connection_next_ = fresh_connection_next_ || verdict.row->new_connection;
    // Both ways to let others go on may end in a callback that destroys us.
    const std::weak_ptr<bool> alive = alive_;
    if (verdict.pause.count() > 0) {
        slots_.pause(job->key, clock_.boot() + verdict.pause);
    }
    if (alive.expired()) {
        return;
    }
    if (may_send_again(*job, fault, verdict, response)) {
        job->since = clock_.boot();
        job->slot.release();
        if (!alive.expired()) {
            take_slot(job);
        }
        return;
    }
    const bool has_later = verdict.row->later.code != 0;
    const bool grace_has_passed = has_later && grace_.has_passed(job->key, verdict.row->name,
                                                                 verdict.row->grace, clock_.boot());
    const SmtpStatus status = status_of(verdict, grace_has_passed);
    // A 2xx before the end of the body makes no sense, and least of all "not sent".
    const bool maybe_sent = verdict.row->error_class == ErrorClass::Ambiguous &&
                            (job->body->drained() || fault.status < kRedirections);
    const SendClass send_class = status.code >= 500 ? SendClass::Permanent
                                 : maybe_sent       ? SendClass::InDoubt
                                                    : SendClass::Transient;
    finish(job, send_class, status,
           sentence_on(verdict, fault.status, job->mailbox, job->outcome.request_id, maybe_sent));
}

void GraphClient::log_refusal(const Job& job, const Verdict& verdict,
                              const http::Response& response) {
    LogLine line(verdict.row->alarm ? LogLevel::Warning : LogLevel::Notice, "graph_refused");
    line.add_if("queue_id", job.message.queue_id).add("mailbox", job.mailbox);
    line.add("http", static_cast<std::int64_t>(response.status)).add_if("code", verdict.code);
    line.add("class", name_of(verdict.row->error_class)).add("what", verdict.row->name);
    if (verdict.pause.count() > 0) {
        line.add("pause_s", verdict.pause.count());
    }
    line.add_if("request_id", job.outcome.request_id);
    line.add("client_request_id", job.outcome.client_request_id);
    line.add_if("diagnostic", header_in(response, "x-ms-ags-diagnostic"));
    log_.write(line);
}

/// The slot goes back first: the next message need not wait for what `done` does.
void GraphClient::finish(const JobPtr& job, SendClass send_class, SmtpStatus status,
                         std::string text) {
    job->outcome.send_class = send_class;
    job->outcome.reply.code = status.code;
    job->outcome.reply.enhanced = status.enhanced;
    job->outcome.reply.text = std::move(text);
    if (job->inside_send) {
        job->slot.release();
        scheduler_.at(clock_.boot(), while_alive([job] { job->done(std::move(job->outcome)); }));
        return;
    }
    const std::weak_ptr<bool> alive = alive_;
    job->slot.release();
    if (!alive.expired()) {
        job->done(std::move(job->outcome));
    }
}

}  // namespace postbearer::milter
