// SPDX-License-Identifier: Apache-2.0
#pragma once

// RFC 6749 section 6: access tokens by the refresh token of somebody who has logged in. One refresh
// token serves all resources of its provider; the scope chooses.
//
// Never loses a refresh token: a new one is on disk before its access token is handed out, requests
// of one login follow each other, and no error deletes anything. While the store cannot be written,
// no renewal that would replace the refresh token is begun as long as the access token at hand
// lasts; after that the new pair is kept in memory, told, and written as soon as that is possible.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "common/clock.hh"
#include "common/log.hh"
#include "common/scheduler.hh"
#include "token-agent/store/store_queue.hh"
#include "token-agent/token_exchange.hh"
#include "token-agent/token_source.hh"

namespace postbearer::agent {

class Delegated final : public TokenSource {
public:
    struct Services {
        TokenExchange& exchange;
        StoreQueue& store;
        const Clock& clock;
        Scheduler& scheduler;
        Log& log;
    };

    explicit Delegated(const Services& services);
    Delegated(const Delegated&) = delete;
    Delegated& operator=(const Delegated&) = delete;
    Delegated(Delegated&&) = delete;
    Delegated& operator=(Delegated&&) = delete;
    ~Delegated() override;

    void fetch(FetchWish wish, std::function<void(FetchResult)> done) override;

    /// A login, logout or import is in the store: what was kept in memory of the one before goes.
    void account_changed(std::string_view provider_name, std::string_view account);

    /// Nothing new is sent from now on; what is under way ends well while the loop turns.
    void stop() noexcept { stopping_ = true; }
    /// Something is at a provider or in memory only that a stop of the agent would lose.
    [[nodiscard]] bool busy() const noexcept;
    /// Logins whose newest refresh token is in memory only.
    [[nodiscard]] std::size_t unsaved() const noexcept;
    /// Why the store could not be written last, and empty once it could.
    [[nodiscard]] const std::string& store_trouble() const noexcept { return store_trouble_; }
    /// It has been written since the start.
    [[nodiscard]] bool store_was_written() const noexcept { return store_was_written_; }

    static constexpr std::chrono::seconds kSaveInterval{10};

private:
    class Job;
    /// A login whose newest refresh token is not on disk; its generation is the one that is.
    struct Unsaved {
        StoredLogin login;
        std::string client_id;
        WallTime renewed_at;
        Scheduler::Id timer = 0;
    };
    using Place = std::pair<std::string, std::string>;  // provider, account
    /// What happens to one login happens one after the other: renewals, and writing down.
    struct Lane {
        std::deque<std::shared_ptr<Job>> jobs;  // the first one runs, unless `saving`
        std::unique_ptr<Unsaved> unsaved;
        bool saving = false;
        bool told = false;  // that it needs its user
    };

    void drop_if_idle(const Place& place);
    void finished(const Place& place);
    void keep_unsaved(const Place& place, const std::string& client_id, StoredLogin login,
                      const Secret& refresh_token, const Error& why);
    void drop_unsaved(Lane& lane);
    void plan_save(const Place& place, Unsaved& unsaved);
    void save_now(const Place& place, const Unsaved& unsaved,
                  std::function<void(Result<std::uint64_t>)> done);
    void save_timer(const Place& place);
    /// True: the newest refresh token is on disk now, or a newer login is.
    bool note_saved(const Place& place, const Result<std::uint64_t>& result);
    void note_store(const Result<void>& outcome);
    void tell_trouble(const Place& place, const FetchFailure& failure);

    Services services_;
    std::map<Place, Lane> lanes_;
    std::string store_trouble_;
    bool store_was_written_ = false;
    bool stopping_ = false;
    std::shared_ptr<bool> alive_;
};

}  // namespace postbearer::agent
