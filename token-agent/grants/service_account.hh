// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/clock.hh"
#include "common/scheduler.hh"
#include "token-agent/token_exchange.hh"
#include "token-agent/token_source.hh"

namespace postbearer::agent {

/// Google's service accounts with domain-wide delegation (RFC 7523 section 2.1): FetchWish::account
/// is the mailbox that they act for. No refresh token exists here.
///
/// Must not outlive what it is given. It may be destroyed with requests in flight.
class ServiceAccountGrant final : public TokenSource {
public:
    struct Services {
        TokenExchange& exchange;
        const Clock& clock;
        Scheduler& scheduler;
    };

    explicit ServiceAccountGrant(const Services& services) : services_(services) {}

    void fetch(FetchWish wish, std::function<void(FetchResult)> done) override;

private:
    Services services_;
};

}  // namespace postbearer::agent
