// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a grant hands back: a fresh token, or a failure that says who must act.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/agent_messages.hh"
#include "common/secret.hh"
#include "token-agent/config.hh"

namespace postbearer::agent {

struct FetchedToken {
    Secret access_token;
    std::string token_type = "Bearer";
    std::chrono::seconds expires_in{0};              // > 0; counted from when the request was sent
    std::optional<std::chrono::seconds> refresh_in;  // Entra's advice for long-lived tokens
    /// How much of expires_in was over when it was handed back: a token from the store.
    std::chrono::seconds age{0};
};

/// A failure for the socket, with what only the agent's own log and status need.
struct FetchFailure {
    protocol::AgentFailure answer;  // its message names provider, cause and fix; no account yet
    long http_status = 0;           // 0: no answer
    std::string error;              // OAuth `error`, printable
    std::string suberror;
    std::string trace_id;
    std::string correlation_id;
    std::optional<std::chrono::seconds> clock_skew;  // server minus ours, where it may matter
    /// The request may have reached the provider, and nobody knows what it did with it.
    bool answer_lost = false;
    /// A new refresh token that came beside an access token that is of no use. The grant takes it
    /// out; nobody else ever sees it.
    std::shared_ptr<const Secret> refresh_token;
};

using FetchResult = tl::expected<FetchedToken, FetchFailure>;

/// Which token is wanted.
struct FetchWish {
    std::shared_ptr<const AgentConfig> config;  // kept alive until the answer
    std::uint32_t provider = 0;                 // index into it
    Grant grant = Grant::ClientCredentials;
    std::string account;  // lower case: whose login or which mailbox; empty: the application's own
    protocol::Resource resource = protocol::Resource::Smtp;
    /// The token at hand can still be used, so an attempt that could cost something may wait.
    bool can_wait = false;
    /// A token from before the last start is as good as a new one.
    bool may_restore = false;
};

/// One way to get access tokens. `done` is called exactly once, later, on the loop's thread, at the
/// latest after the HTTP time-outs.
class TokenSource {
public:
    virtual ~TokenSource() = default;
    virtual void fetch(FetchWish wish, std::function<void(FetchResult)> done) = 0;
    /// A server has refused the last token of this wish: it must not come back from anywhere.
    virtual void refused(const FetchWish& wish) { (void)wish; }
};

}  // namespace postbearer::agent
