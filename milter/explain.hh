// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "milter/config.hh"
#include "milter/routing/router.hh"

namespace postbearer::milter {

/// A message as somebody tells it; nothing is sent and nobody asked.
struct Question {
    MessageContext message;  // without headers and size
    std::string content;     // the message, LF or CRLF
    bool json = false;
};

/// What the daemon would do, as text for people or as one JSON document (`kind` "explain").
[[nodiscard]] std::string explain(const MilterConfig& config, Question question);

}  // namespace postbearer::milter
