// SPDX-License-Identifier: Apache-2.0
#pragma once

// Between the rooms of Delegated only: one fetch.

#include <functional>
#include <memory>
#include <optional>

#include "token-agent/grants/delegated.hh"

namespace postbearer::agent {

/// One fetch, from the look into the store to the answer. It owns what it needs; the source may be
/// gone when something comes back, and then it ends without a word.
class Delegated::Job : public std::enable_shared_from_this<Delegated::Job> {
public:
    Job(Delegated& owner, FetchWish wish, std::function<void(FetchResult)> done)
        : owner_(owner),
          alive_(owner.alive_),
          wish_(std::move(wish)),
          provider_(wish_.config->providers.at(wish_.provider)),
          place_(provider_.name, wish_.account),
          name_{provider_.name, wish_.account, provider_.client_id},
          done_(std::move(done)) {}

    void start();
    [[nodiscard]] const Place& place() const noexcept { return place_; }
    /// The refresh token is at the provider, or what came back is on its way to the disk.
    [[nodiscard]] bool must_end_well() const noexcept { return sent_; }

private:
    void save_or_look_up();
    void look_up();
    void saved_first(const Result<std::uint64_t>& result);
    void have_login(Result<std::optional<StoredLogin>> found);
    void begin();
    void begun(const Result<void>& outcome);
    [[nodiscard]] bool may_ask();
    void forget_attempt();
    void ask();
    void answered(ExchangeResult result);
    void renewed(ExchangeAnswer answer);
    void stored(const std::shared_ptr<ExchangeAnswer>& answer,
                const Result<std::uint64_t>& outcome);
    void refused(FetchFailure failure);
    void judge_refusal(FetchFailure& failure);
    void keep_token_of(FetchFailure failure);
    void end(FetchResult result);
    /// One step that the loop or the store has called us for. Whatever happens in it, the lane goes
    /// on and the caller hears of the end.
    template <typename Step>
    void guarded(Step&& step);
    [[nodiscard]] Renewal renewal_of(const ExchangeAnswer& answer, bool changed) const;
    [[nodiscard]] std::string who() const { return "provider '" + provider_.name + "': "; }

    Delegated& owner_;
    std::shared_ptr<bool> alive_;
    FetchWish wish_;
    const ProviderConfig& provider_;  // in *wish_.config
    Place place_;
    RecordName name_;
    std::function<void(FetchResult)> done_;
    StoredLogin login_;
    bool in_memory_ = false;  // login_ is newer than the store's
    bool attempt_noted_ = false;
    bool sent_ = false;
    bool ended_ = false;
    WallTime asked_at_;
};

}  // namespace postbearer::agent
