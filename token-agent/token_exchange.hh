// SPDX-License-Identifier: Apache-2.0
#pragma once

// One request to a provider's token endpoint (RFC 6749 section 3.2), whatever the grant: finds the
// endpoint (configured, preset or discovered), authenticates the client with each of the provider's
// credentials in turn until one is not refused, and reads the answer.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.hh"
#include "common/http/http_client.hh"
#include "common/log.hh"
#include "common/scheduler.hh"
#include "token-agent/config.hh"
#include "token-agent/credential_changes.hh"
#include "token-agent/credential_memory.hh"
#include "token-agent/discovery.hh"
#include "token-agent/grants/managed_identity.hh"
#include "token-agent/token_response.hh"
#include "token-agent/token_source.hh"

namespace postbearer::agent {

struct ExchangeRequest {
    std::shared_ptr<const AgentConfig> config;
    std::uint32_t provider = 0;
    Grant grant = Grant::ClientCredentials;  // decides how refusals are read
    /// grant_type and the grant's own fields; values that are secret go into secret_fields.
    std::vector<std::pair<std::string, std::string>> fields;
    std::vector<std::pair<std::string, std::shared_ptr<const Secret>>> secret_fields;
    std::string scope;  // empty: left out
    /// Send client_id alone, even if credentials are configured (a login made without them).
    bool public_client = false;
    std::string endpoint;             // in place of the provider's; empty: that one
    std::string unauthorized_advice;  // what cures unauthorized_client, a sentence; may be empty
};

struct ExchangeAnswer : TokenAnswer {
    /// The server wanted no client authentication although some is configured (AADSTS700025), and
    /// got none: later requests of this login must do the same.
    bool public_client = false;
    /// Which credential worked: index into the provider's list; for logs.
    std::size_t credential = 0;
};

/// `FetchFailure` carries `error`/`suberror`, so that a device poll can tell pending from refused.
using ExchangeResult = tl::expected<ExchangeAnswer, FetchFailure>;

/// Calls `done` exactly once, later, on the loop's thread. Must not outlive what it is given; it
/// may be destroyed with requests in flight, whose completions still run as long as the HTTP client
/// lives.
class TokenExchange {
public:
    struct Services {
        http::HttpClient& client;
        Discovery& discovery;
        const Clock& clock;
        Scheduler& scheduler;
        Log* log = nullptr;  // hears of credentials that were passed over; null: nobody does
        IdentityHost identity{};
    };
    using Done = std::function<void(ExchangeResult)>;

    explicit TokenExchange(const Services& services);
    TokenExchange(const TokenExchange&) = delete;
    TokenExchange& operator=(const TokenExchange&) = delete;
    TokenExchange(TokenExchange&&) = delete;
    TokenExchange& operator=(TokenExchange&&) = delete;
    ~TokenExchange();

    void send(ExchangeRequest request, Done done);

private:
    class Attempt;

    Services services_;
    CredentialChanges changes_;
    std::shared_ptr<CredentialMemory> memory_;  // the requests in flight have it too
};

}  // namespace postbearer::agent
