// SPDX-License-Identifier: Apache-2.0
#include "token-agent/source_by_grant.hh"

#include <utility>

namespace postbearer::agent {

void SourceByGrant::fetch(FetchWish wish, std::function<void(FetchResult)> done) {
    if (TokenSource* const source = source_of(wish.grant); source != nullptr) {
        source->fetch(std::move(wish), std::move(done));
        return;
    }
    FetchFailure failure;
    failure.answer.failure_class = protocol::FailureClass::NeedsAdmin;
    failure.answer.code = protocol::FailureCode::NotLoggedIn;
    failure.answer.message = "provider '" + wish.config->providers.at(wish.provider).name +
                             "': the store of logins is not open: it could not be opened at the "
                             "start (see the agent's log), or master_key was added since. Restart "
                             "postbearer-agent";
    // Later, as callers expect it.
    (void)scheduler_.at(clock_.boot(), [failure = std::move(failure), done = std::move(done)] {
        done(tl::unexpected(failure));
    });
}

void SourceByGrant::refused(const FetchWish& wish) {
    if (TokenSource* const source = source_of(wish.grant); source != nullptr) {
        source->refused(wish);
    }
}

}  // namespace postbearer::agent
