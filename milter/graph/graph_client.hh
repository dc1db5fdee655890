// SPDX-License-Identifier: Apache-2.0
#pragma once

// Microsoft Graph's sendMail with MIME (graph.md 1): one request for a message and all of its
// recipients, and what its answer means for SMTP (graph.md 3.4).

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "common/clock.hh"
#include "common/http/http_client.hh"
#include "common/log.hh"
#include "common/scheduler.hh"
#include "milter/graph/grace.hh"
#include "milter/graph/graph_errors.hh"
#include "milter/graph/graph_tokens.hh"
#include "milter/graph/slots.hh"
#include "milter/lmtp/transaction.hh"

namespace postbearer::milter {

/// How Graph is reached; out of the configuration.
struct GraphSettings {
    std::string endpoint;  // "https://graph.microsoft.com", no slash at its end
    std::string proxy;     // http://[user:password@]host:port, CONNECT only; empty: none
    std::string ca_file;   // PEM; empty: the system's
    bool allow_http_loopback = false;
    std::size_t concurrency = 3;      // requests in flight for one mailbox, of Microsoft's 4
    std::chrono::seconds budget{60};  // a slot and a Retry-After are waited for this long
    std::chrono::seconds answer_timeout{60};  // after the last byte of the body
    std::size_t max_body_bytes = 3'900'000;   // of base64
};

struct GraphMessage {
    std::string mailbox;              // goes percent-encoded into the URL
    std::string header;               // edited, through the empty line
    std::shared_ptr<Transaction> of;  // its message holds the body
    std::string queue_id;             // for the log
};

enum class SendClass : std::uint8_t {
    Done,       // 202: Graph has it
    Permanent,  // 5yz
    Transient,  // 4yz, and surely not sent
    InDoubt     // 4yz, and Graph may have it
};
[[nodiscard]] std::string_view name_of(SendClass send_class) noexcept;

struct SendOutcome {
    SendClass send_class = SendClass::Transient;
    LmtpReply reply;         // the same for every recipient: cause, fix, request-id
    int http_status = 0;     // 0: no answer
    std::string error_code;  // Graph's, printable
    std::string request_id;  // Graph's
    std::string client_request_id;
    std::chrono::milliseconds elapsed{0};  // of the request that decided
    std::chrono::milliseconds waited{0};   // for a slot, a token, a Retry-After
    int tries = 0;                         // requests with a body
};

/// All calls on the loop's thread. Sends to one mailbox share its slots and pauses.
class GraphSender {
public:
    using Done = std::function<void(SendOutcome)>;
    virtual ~GraphSender() = default;
    /// Calls `done` exactly once, later, bounded by budget + answer_timeout, the token's wait and
    /// the ten seconds that a body is given at least.
    virtual void send(GraphMessage message, Done done) = 0;
};

/// POST {endpoint}/v1.0/users/{mailbox}/sendMail. Sends a message again only where Graph surely has
/// not got it: once after a 401, with a new token; after a 429 or 503 that came before the end of
/// the body. What Graph may have is InDoubt.
///
/// Pending sends end with this object: their `done` is not called any more. HttpClient and
/// TokenAsker may outlive it.
class GraphClient final : public GraphSender {
public:
    GraphClient(http::HttpClient& http, TokenAsker& tokens, const Clock& clock,
                Scheduler& scheduler, Log& log, std::shared_ptr<const GraphSettings> settings);
    GraphClient(const GraphClient&) = delete;
    GraphClient& operator=(const GraphClient&) = delete;
    GraphClient(GraphClient&&) = delete;
    GraphClient& operator=(GraphClient&&) = delete;
    ~GraphClient() override;

    void send(GraphMessage message, Done done) override;

    /// For messages from now on; slots and pauses stay.
    void reload(std::shared_ptr<const GraphSettings> settings);

    /// Messages that wait for a slot of this mailbox.
    [[nodiscard]] std::size_t waiting(const std::string& mailbox) const;

private:
    struct Job;
    using JobPtr = std::shared_ptr<Job>;

    [[nodiscard]] bool refuse_at_once(Job& job) const;
    void take_slot(const JobPtr& job);
    void ask_token(const JobPtr& job);
    void got_token(const JobPtr& job, protocol::TokenAnswer answer);
    void post(const JobPtr& job, const protocol::TokenGrant& grant);
    void answered(const JobPtr& job, Result<http::Response> result);
    void lost(const JobPtr& job, const Error& error);
    void unauthorized(const JobPtr& job, const GraphFault& fault, const http::Response& response);
    void refused(const JobPtr& job, const GraphFault& fault, const http::Response& response);
    [[nodiscard]] bool may_send_again(const Job& job, const GraphFault& fault,
                                      const Verdict& verdict, const http::Response& response) const;
    void log_refusal(const Job& job, const Verdict& verdict, const http::Response& response);
    void finish(const JobPtr& job, SendClass send_class, SmtpStatus status, std::string text);

    /// `call`, unless this object has gone meanwhile.
    template <typename Call>
    [[nodiscard]] auto while_alive(Call call) {
        return [alive = std::weak_ptr<bool>(alive_),
                call = std::move(call)](auto&&... values) mutable {
            if (!alive.expired()) {
                call(std::forward<decltype(values)>(values)...);
            }
        };
    }

    http::HttpClient& http_;
    TokenAsker& tokens_;
    const Clock& clock_;
    Scheduler& scheduler_;
    Log& log_;
    std::shared_ptr<const GraphSettings> settings_;
    MailboxSlots slots_;
    GraceTimes grace_;
    bool fresh_connection_next_ = false;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace postbearer::milter
