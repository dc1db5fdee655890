// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which way a message takes, and why. Pure: the milter front, the LMTP front and `explain` ask the
// same function.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "milter/config.hh"
#include "milter/envelope/header_facts.hh"

namespace postbearer::milter {

enum class Submission : std::uint8_t {
    Smtp,   // an SMTP session; who submitted is in sasl_user and client
    Local,  // sendmail(1)
    Queue   // at the LMTP front without a routing header: transport_maps has chosen already
};

struct MessageContext {
    Submission via = Submission::Smtp;
    std::string mail_from;                // without brackets; empty: the null sender
    std::vector<std::string> recipients;  // without brackets
    std::vector<std::string> transports;  // {rcpt_mailer} of each, Smtp only; empty: not said
    std::string sasl_user;
    std::optional<IpAddress> client;
    std::uint64_t size = 0;         // bytes of the whole message
    std::uint64_t header_size = 0;  // of that, those of the header section; 0: it fits
    HeaderFacts headers;
};

struct Decision {
    Action action = Action::Relay;
    std::string route;    // name; empty: none matched
    std::string mailbox;  // Graph only, lower case
    /// A stable word for the log ("strangers"), and the sentence that goes with it.
    std::string reason;
    std::string detail;
    LmtpReply reply;  // of a Reject
};

[[nodiscard]] Decision decide(const MilterConfig& config, const MessageContext& message);

/// How a message has come to the LMTP front; it decides what brings it out again.
enum class QueuedBy : std::uint8_t {
    Milter,    // its signed header: without it the message takes the usual transport
    Transport  // a transport table, which would send it here again
};

/// What a Relay or Reject becomes at the LMTP front, which cannot relay.
[[nodiscard]] LmtpReply queue_reply(const Decision& decision, QueuedBy queued_by,
                                    const std::string& queue_id);

/// What a header section of `size` bytes may have grown to when it reaches the LMTP front or Graph:
/// Postfix's Received, our two headers, a Bcc with every recipient in it. Counted before the
/// decision, because what is too large at the LMTP front can no longer be relayed.
[[nodiscard]] std::uint64_t grown(std::uint64_t size,
                                  const std::vector<std::string>& recipients) noexcept;

/// Bytes that `size` bytes have in base64.
[[nodiscard]] constexpr std::uint64_t base64_bytes(std::uint64_t size) noexcept {
    return (size + 2) / 3 * 4;
}

}  // namespace postbearer::milter
