// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "common/agent_messages.hh"

namespace postbearer::milter {

/// Where bearer tokens for Graph come from. On the loop's thread; each call is answered once.
class TokenAsker {
public:
    using Done = std::function<void(protocol::TokenAnswer)>;
    virtual ~TokenAsker() = default;
    /// The token for `mailbox`, resource graph.
    virtual void ask(const std::string& mailbox, Done done) = 0;
    /// Graph refused this token; `claims` as it came (base64), may be empty. `done` when the agent
    /// has answered, or cannot be reached: then asking again is worth it or not, the asker sees.
    virtual void rejected(const std::string& mailbox, const std::string& fingerprint,
                          const std::string& detail, const std::string& claims,
                          std::function<void()> done) = 0;
};

}  // namespace postbearer::milter
