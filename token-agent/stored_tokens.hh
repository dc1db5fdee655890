// SPDX-License-Identifier: Apache-2.0
#pragma once

// Access tokens outlive a restart of the agent: what a grant brings is kept in the store, and the
// first wish after a start is served from there while the token is young. When the provider cannot
// be reached then, an older one does as well, to its true expiry.

#include <memory>
#include <optional>
#include <string>

#include "common/clock.hh"
#include "common/log.hh"
#include "token-agent/store/store_queue.hh"
#include "token-agent/token_source.hh"

namespace postbearer::agent {

/// A TokenSource around another. Must not outlive what it is given.
class StoredTokens final : public TokenSource {
public:
    struct Services {
        TokenSource& inner;
        StoreQueue& store;
        const Clock& clock;
        Log& log;
    };

    explicit StoredTokens(const Services& services);
    StoredTokens(const StoredTokens&) = delete;
    StoredTokens& operator=(const StoredTokens&) = delete;
    StoredTokens(StoredTokens&&) = delete;
    StoredTokens& operator=(StoredTokens&&) = delete;
    ~StoredTokens() override;

    void fetch(FetchWish wish, std::function<void(FetchResult)> done) override;
    void refused(const FetchWish& wish) override;

private:
    using Done = std::function<void(FetchResult)>;
    void found(FetchWish wish, Result<std::optional<StoredAccess>> stored, Done done);
    void ask(FetchWish wish, std::shared_ptr<StoredAccess> fallback, Done done);
    void keep(const FetchWish& wish, const FetchedToken& token, WallTime asked_at);

    Services services_;
    std::shared_ptr<bool> alive_;
};

}  // namespace postbearer::agent
