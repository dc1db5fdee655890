// SPDX-License-Identifier: Apache-2.0
#pragma once

// The authorization code grant (RFC 6749 section 4.1) for native apps (RFC 8252) with PKCE: a URL
// for a browser, an answer that somebody brings back, a code for tokens.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/clock.hh"
#include "common/result.hh"
#include "common/scheduler.hh"
#include "token-agent/login/login_endpoints.hh"
#include "token-agent/login/login_failure.hh"
#include "token-agent/token_exchange.hh"

namespace postbearer::agent {

struct RedirectAnswer;

/// Make it with make_shared. Once stop() was called or it is gone, no callback runs.
class CodeFlow : public std::enable_shared_from_this<CodeFlow> {
public:
    struct Services {
        TokenExchange& exchange;
        const Clock& clock;
        Scheduler& scheduler;
    };
    struct Wish {
        std::shared_ptr<const AgentConfig> config;
        std::uint32_t provider = 0;
        LoginEndpoints endpoints;
        std::string redirect_uri;
        std::string scope;
        std::string login_hint;
    };
    using Ended = std::function<void(StepResult)>;

    static constexpr std::chrono::minutes kStateLife{10};

    CodeFlow(const Services& services, Wish wish, Ended ended);
    CodeFlow(const CodeFlow&) = delete;
    CodeFlow& operator=(const CodeFlow&) = delete;
    CodeFlow(CodeFlow&&) = delete;
    CodeFlow& operator=(CodeFlow&&) = delete;
    ~CodeFlow();

    void start();
    void stop();

    /// What was pasted, or what the listener took. Error: Denied, it is not the answer to our
    /// question, in a sentence; the flow goes on. An answer is taken once: its outcome, good or
    /// bad, comes by `ended`, later.
    [[nodiscard]] Result<void> take(std::string_view text);

    [[nodiscard]] const std::string& url() const noexcept { return url_; }
    /// Of the id_token; empty: none was asked for.
    [[nodiscard]] const Secret& nonce() const noexcept { return nonce_; }
    [[nodiscard]] bool taken() const noexcept { return taken_; }
    [[nodiscard]] BootTime expires_at() const noexcept { return expires_at_; }

private:
    [[nodiscard]] const ProviderConfig& provider() const {
        return wish_.config->providers.at(wish_.provider);
    }
    void redeem(Secret code);
    void end_later(protocol::AgentFailure failure);
    void end(StepResult result);

    Services services_;
    Wish wish_;
    Ended ended_;
    std::shared_ptr<const Secret> verifier_;
    Secret state_;
    Secret nonce_;
    std::string url_;
    BootTime expires_at_;
    Scheduler::Id timer_ = 0;
    bool taken_ = false;
    bool over_ = false;
};

/// What an authorization endpoint's error says (RFC 6749 section 4.1.2.1).
[[nodiscard]] protocol::AgentFailure authorization_refused(const RedirectAnswer& answer,
                                                           const std::string& provider);

}  // namespace postbearer::agent
