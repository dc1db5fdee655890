// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "common/clock.hh"
#include "common/http/http_client.hh"
#include "common/scheduler.hh"
#include "token-agent/credential_changes.hh"
#include "token-agent/token_source.hh"

namespace postbearer::agent {

class Discovery;

/// RFC 6749 section 4.4 with a client secret: tokens of the application itself. No refresh token
/// exists here; each fetch is a new request.
///
/// Must not outlive what it is given. It may be destroyed with requests in flight: their
/// completions still run, as long as the HTTP client lives.
class ClientCredentials final : public TokenSource {
public:
    struct Services {
        http::HttpClient& client;
        Discovery& discovery;
        const Clock& clock;
        Scheduler& scheduler;
    };

    explicit ClientCredentials(const Services& services);
    ClientCredentials(const ClientCredentials&) = delete;
    ClientCredentials& operator=(const ClientCredentials&) = delete;
    ClientCredentials(ClientCredentials&&) = delete;
    ClientCredentials& operator=(ClientCredentials&&) = delete;
    ~ClientCredentials() override;

    void fetch(FetchWish wish, std::function<void(FetchResult)> done) override;

private:
    Services services_;
    CredentialChanges changes_;
};

}  // namespace postbearer::agent
