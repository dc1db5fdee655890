// SPDX-License-Identifier: Apache-2.0
#pragma once

// All ways to get tokens, put together: grants, the store around them, and what keeps logins alive.

#include <memory>

#include "common/clock.hh"
#include "common/http/http_client.hh"
#include "common/log.hh"
#include "common/scheduler.hh"
#include "token-agent/discovery.hh"
#include "token-agent/grants/client_credentials.hh"
#include "token-agent/grants/delegated.hh"
#include "token-agent/grants/service_account.hh"
#include "token-agent/keep_alive.hh"
#include "token-agent/source_by_grant.hh"
#include "token-agent/stored_tokens.hh"
#include "token-agent/token_exchange.hh"

namespace postbearer::agent {

/// Must not outlive what it is given.
class TokenSources {
public:
    struct Services {
        http::HttpClient& client;
        Discovery& discovery;
        StoreQueue* store = nullptr;  // null: no logins, and nothing outlives a restart
        const Clock& clock;
        Scheduler& scheduler;
        Log& log;
    };

    TokenSources(const Services& services, const std::shared_ptr<const AgentConfig>& config);

    void reload(const std::shared_ptr<const AgentConfig>& config);

    /// For the keeper.
    [[nodiscard]] TokenSource& source() noexcept;
    [[nodiscard]] TokenExchange& exchange() noexcept { return exchange_; }
    /// Null without a store.
    [[nodiscard]] Delegated* delegated() const noexcept { return delegated_.get(); }

private:
    TokenExchange exchange_;
    ClientCredentials client_credentials_;
    ServiceAccountGrant service_account_;
    std::unique_ptr<Delegated> delegated_;
    SourceByGrant by_grant_;
    std::unique_ptr<StoredTokens> stored_tokens_;
    std::unique_ptr<KeepAlive> keep_alive_;
};

}  // namespace postbearer::agent
