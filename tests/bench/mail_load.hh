// SPDX-License-Identifier: Apache-2.0
#pragma once

// Clients that hand in much mail: SMTP to a Postfix, or LMTP as so many lmtp(8) processes do.

#include <functional>
#include <string>

#include "tests/support/dialogue.hh"

namespace postbearer::bench {

struct Load {
    std::size_t messages = 0;
    std::size_t connections = 1;  // each takes the next message when its last one is answered
    std::size_t mailboxes = 1;    // senders app0@contoso.test, ... one after the other
    std::size_t bytes = 2048;     // of a message with its header
    bool lmtp = false;
};

inline constexpr const char* kReader = "reader@example.test";

/// `bytes` with CRLF line ends, a Message-ID of its own, and no dot at the start of a line.
[[nodiscard]] std::string load_message(const std::string& from, std::size_t number,
                                       std::size_t bytes);

/// Returns when each message has got its 250; the first that gets something else fails the run.
/// Commands go out as lmtp(8) and smtp(8) send them: all up to DATA at once.
void hand_in(const Load& load, const std::function<test::Dialogue()>& connect);

}  // namespace postbearer::bench
