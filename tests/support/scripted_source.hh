// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/agent_messages.hh"
#include "tests/support/client_secret.hh"
#include "token-agent/token_source.hh"

namespace postbearer::test {

/// TokenSource that holds every request until the test answers it.
class ScriptedSource final : public agent::TokenSource {
public:
    struct Asked {
        std::string provider;
        protocol::Resource resource;
        std::string account;
        bool can_wait = false;
        bool may_restore = false;
        std::string secret;  // of the configuration that came with the request
    };

    void fetch(agent::FetchWish wish, std::function<void(agent::FetchResult)> done) override {
        const agent::ProviderConfig& settings = wish.config->providers.at(wish.provider);
        asked_.push_back({settings.name, wish.resource, wish.account, wish.can_wait,
                          wish.may_restore, client_secret_of(settings)});
        waiting_.push_back(std::move(done));
    }

    void refused(const agent::FetchWish& wish) override { refused_.push_back(wish.account); }

    [[nodiscard]] const std::vector<std::string>& refused() const noexcept { return refused_; }
    [[nodiscard]] const std::vector<Asked>& asked() const noexcept { return asked_; }
    /// Requests without an answer yet, oldest first.
    [[nodiscard]] std::size_t waiting() const noexcept { return waiting_.size(); }

    /// Answers the request at `index` of those that wait.
    void answer(agent::FetchResult result, std::size_t index = 0) {
        const auto place = waiting_.begin() + static_cast<std::ptrdiff_t>(index);
        const auto done = std::move(*place);
        waiting_.erase(place);
        done(std::move(result));
    }
    void give(std::string_view token, std::chrono::seconds life = std::chrono::seconds(3600),
              std::optional<std::chrono::seconds> refresh_in = {}) {
        agent::FetchedToken fetched;
        fetched.access_token = Secret(token);
        fetched.expires_in = life;
        fetched.refresh_in = refresh_in;
        answer(std::move(fetched));
    }
    void fail(protocol::FailureClass failure_class, protocol::FailureCode code,
              std::optional<std::chrono::seconds> retry_after = {}) {
        agent::FetchFailure failure;
        failure.answer.failure_class = failure_class;
        failure.answer.code = code;
        failure.answer.message = "provider 'contoso': it did not work";
        failure.answer.retry_after = retry_after;
        answer(tl::unexpected(std::move(failure)));
    }
    void fail() { fail(protocol::FailureClass::Transient, protocol::FailureCode::Network); }

private:
    std::vector<Asked> asked_;
    std::vector<std::string> refused_;
    std::deque<std::function<void(agent::FetchResult)>> waiting_;
};

}  // namespace postbearer::test
