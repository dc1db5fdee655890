// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "common/clock.hh"
#include "common/scheduler.hh"
#include "token-agent/token_source.hh"

namespace postbearer::agent {

/// Passes each wish on to the source of its grant.
class SourceByGrant final : public TokenSource {
public:
    /// Null: nobody serves that grant in this process; the answer says that a restart is needed,
    /// because the one thing that can be missing is a store, which is opened at the start.
    struct Sources {
        TokenSource& client_credentials;
        TokenSource* delegated = nullptr;
        TokenSource& service_account;
    };

    SourceByGrant(const Sources& sources, const Clock& clock, Scheduler& scheduler)
        : sources_{&sources.client_credentials, sources.delegated, &sources.service_account},
          clock_(clock),
          scheduler_(scheduler) {}

    void fetch(FetchWish wish, std::function<void(FetchResult)> done) override;
    void refused(const FetchWish& wish) override;

private:
    [[nodiscard]] TokenSource* source_of(Grant grant) const {
        return sources_.at(static_cast<std::size_t>(grant));
    }

    std::array<TokenSource*, 3> sources_;  // by Grant
    const Clock& clock_;
    Scheduler& scheduler_;
};

}  // namespace postbearer::agent
