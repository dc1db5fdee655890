// SPDX-License-Identifier: Apache-2.0
#pragma once

// Microsoft Graph's sendMail with MIME (graph.md 1): one request for a message and all of its
// recipients, and what its answer means for SMTP (graph.md 3.4).

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/clock.hh"
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
    /// Calls `done` exactly once, later, bounded by budget + answer_timeout and the token's wait.
    virtual void send(GraphMessage message, Done done) = 0;
};

}  // namespace postbearer::milter
