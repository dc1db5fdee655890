// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <utility>

#include "token-agent/token_source.hh"

namespace postbearer::agent {

/// Hands each wish to the source of its grant. Must not outlive them.
class TokenSourceByGrant final : public TokenSource {
public:
    struct Sources {
        TokenSource& client_credentials;
        TokenSource& delegated;
        TokenSource& service_account;
    };

    explicit TokenSourceByGrant(const Sources& sources) : sources_(sources) {}

    void fetch(FetchWish wish, std::function<void(FetchResult)> done) override {
        TokenSource& source = of(wish.grant);
        source.fetch(std::move(wish), std::move(done));
    }
    void refused(const FetchWish& wish) override { of(wish.grant).refused(wish); }

private:
    [[nodiscard]] TokenSource& of(Grant grant) const noexcept {
        switch (grant) {
            case Grant::Delegated:
                return sources_.delegated;
            case Grant::ServiceAccount:
                return sources_.service_account;
            case Grant::ClientCredentials:
                break;
        }
        return sources_.client_credentials;
    }

    Sources sources_;
};

}  // namespace postbearer::agent
