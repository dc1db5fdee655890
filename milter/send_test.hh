// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "common/clock.hh"
#include "common/result.hh"

namespace postbearer::milter {

struct TestMessage {
    std::string from;
    std::vector<std::string> to;
};

/// Gives one message to the LMTP front of the running daemon and returns its answers, one for each
/// recipient, as they came ("250 2.0.0 ..."). Errors: Unavailable (nobody listens), Timeout,
/// Protocol (what the front says before it takes a message, its own words included).
[[nodiscard]] Result<std::vector<std::string>> send_test(const std::string& socket_path,
                                                         const TestMessage& message,
                                                         const Clock& clock);

}  // namespace postbearer::milter
