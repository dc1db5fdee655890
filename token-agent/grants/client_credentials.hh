// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/clock.hh"
#include "common/scheduler.hh"
#include "token-agent/token_exchange.hh"
#include "token-agent/token_source.hh"

namespace postbearer::agent {

/// RFC 6749 section 4.4: tokens of the application itself. No refresh token exists here; each fetch
/// is a new request.
///
/// Must not outlive what it is given. It may be destroyed with requests in flight: their
/// completions still run, as long as the HTTP client lives.
class ClientCredentials final : public TokenSource {
public:
    struct Services {
        TokenExchange& exchange;
        const Clock& clock;
        Scheduler& scheduler;
    };

    explicit ClientCredentials(const Services& services) : services_(services) {}

    void fetch(FetchWish wish, std::function<void(FetchResult)> done) override;

private:
    Services services_;
};

}  // namespace postbearer::agent
