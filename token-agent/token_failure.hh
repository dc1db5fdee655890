// SPDX-License-Identifier: Apache-2.0
#pragma once

// Why there is no token, in the words and classes of agent.sock (postbearer-agent(8), DIAGNOSTICS).

#include <string>
#include <string_view>
#include <vector>

#include "common/clock.hh"
#include "common/http/http_client.hh"
#include "common/result.hh"
#include "token-agent/config.hh"
#include "token-agent/token_source.hh"

namespace postbearer::agent {

class JsonObject;

/// Whose answer it is, and what else decides how it is read.
struct AnswerContext {
    std::string provider;             // its name in agent.toml
    std::string credential;           // which one was shown, where that needs saying
    std::string presented;            // claims of a federated token that was shown, printable
    std::string unauthorized_advice;  // what cures unauthorized_client; empty: the usual
    Grant grant = Grant::ClientCredentials;
    /// Within minutes of a change of this provider's credentials: what needs time to spread at
    /// Microsoft is then transient.
    bool recently_changed = false;
    WallTime now;                            // our clock when the answer came
    std::vector<std::string_view> redacted;  // what no text may hold: the secrets that were sent
};

inline constexpr std::chrono::seconds kMaxProviderWait{3600};  // cap of Retry-After
inline constexpr std::chrono::seconds kLoopWait{300};          // AADSTS50196
inline constexpr std::chrono::seconds kSkewWorthTelling{120};

/// Classifies by status, `error` and `suberror`. The AADSTS number chooses the words, and the class
/// only for what passes by itself. `json` is null where the body is no JSON object.
[[nodiscard]] FetchFailure refused(const http::Response& response, const JsonObject* json,
                                   const AnswerContext& context);

/// A 200 that holds no usable token; `why` is a clause of ours.
[[nodiscard]] FetchFailure unusable(const http::Response& response, std::string_view why,
                                    protocol::FailureClass failure_class,
                                    const AnswerContext& context);

/// The request did not get an answer.
[[nodiscard]] FetchFailure unanswered(const Error& error, const AnswerContext& context);

/// The request was not sent: the configuration does not allow one. `why` is for the operator.
[[nodiscard]] FetchFailure not_sent(protocol::FailureCode code, std::string_view why,
                                    const AnswerContext& context);

/// The server did not accept who we say we are, which another credential may mend. Entra says it
/// with errors of several names, so the number decides where there is one.
[[nodiscard]] bool client_was_refused(const FetchFailure& failure);

/// Of ours alone: nothing was asked, and it passes. `message` is the whole sentence.
[[nodiscard]] FetchFailure passing_failure(protocol::FailureCode code, std::string message);

}  // namespace postbearer::agent
