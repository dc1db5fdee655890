// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "common/agent_messages.hh"
#include "token-agent/config.hh"

namespace postbearer::agent {

/// What a failure means, before the words of a hint refine it.
struct Verdict {
    protocol::FailureClass failure_class = protocol::FailureClass::Transient;
    protocol::FailureCode code = protocol::FailureCode::ProviderError;
    std::string_view means;  // a clause
    std::string_view fix;    // a sentence without its full stop
};

/// By the `error` of RFC 6749 5.2, RFC 8628, OpenID Connect Core and what providers add; nullopt
/// for one that nobody documents.
[[nodiscard]] std::optional<Verdict> verdict_on(std::string_view error, std::string_view suberror,
                                                Grant grant);

}  // namespace postbearer::agent
