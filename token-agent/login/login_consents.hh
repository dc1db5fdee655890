// SPDX-License-Identifier: Apache-2.0
#pragma once

// From an order to tokens: the first resource by the flow, the others by the refresh token that
// came with it, and by another step of the same flow where the user has not consented yet; then
// who it was that signed in. Nothing is stored here.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.hh"
#include "common/http/http_client.hh"
#include "common/scheduler.hh"
#include "token-agent/discovery.hh"
#include "token-agent/login/code_flow.hh"
#include "token-agent/login/device_flow.hh"
#include "token-agent/login/id_token.hh"
#include "token-agent/login/login_endpoints.hh"
#include "token-agent/login/login_order.hh"
#include "token-agent/login/signed_in_user.hh"
#include "token-agent/store/token_store.hh"
#include "token-agent/token_exchange.hh"

namespace postbearer::agent {

/// What a login ends with. The refresh token is the newest that any answer held.
struct ConsentedTokens {
    Secret refresh_token;
    bool public_client = false;
    std::vector<std::pair<Resource, StoredAccess>> access;
    SignedIn user;
};

/// Make it with make_shared; once stop() was called or it is gone, no callback runs.
class LoginConsents : public std::enable_shared_from_this<LoginConsents> {
public:
    struct Services {
        http::HttpClient& client;
        Discovery& discovery;
        TokenExchange& exchange;
        const Clock& clock;
        Scheduler& scheduler;
    };
    using Outcome = tl::expected<ConsentedTokens, protocol::AgentFailure>;
    struct Callbacks {
        std::function<void()> changed;  // a step began, a code is there, a resource is done
        std::function<void(Outcome)> ended;
    };

    LoginConsents(const Services& services, LoginOrder order, Callbacks callbacks);
    LoginConsents(const LoginConsents&) = delete;
    LoginConsents& operator=(const LoginConsents&) = delete;
    LoginConsents(LoginConsents&&) = delete;
    LoginConsents& operator=(LoginConsents&&) = delete;
    ~LoginConsents();

    void start();
    /// What was got so far is dropped here and stays good at the provider: to revoke it could end
    /// the login that the store holds (see revocation.hh).
    void stop();
    /// As CodeFlow::take(). Denied too where no answer is waited for.
    [[nodiscard]] Result<void> take(std::string_view text);

    [[nodiscard]] Resource resource() const noexcept { return resource_; }
    [[nodiscard]] int step() const noexcept { return step_; }
    [[nodiscard]] const std::vector<Resource>& consented() const noexcept { return consented_; }
    [[nodiscard]] const std::vector<std::string>& warnings() const noexcept { return warnings_; }
    /// Null where the user has nothing to do now.
    [[nodiscard]] const DeviceFlow* device() const noexcept;
    [[nodiscard]] const CodeFlow* code() const noexcept;

private:
    [[nodiscard]] const ProviderConfig& provider() const { return order_.provider_config(); }
    void located(Result<LoginEndpoints> found);
    void fail_undiscovered(const Error& why);
    [[nodiscard]] bool judge_pkce();
    void begin_step(Resource resource);
    void begin_device(const std::string& scope);
    void begin_code(const std::string& scope);
    void step_ended(StepResult result);
    void take_answer(Resource resource, ExchangeAnswer answer);
    [[nodiscard]] std::optional<protocol::AgentFailure> judge_identity(
        const ExchangeAnswer& answer);
    [[nodiscard]] std::optional<protocol::AgentFailure> judge_missing(
        const ExchangeAnswer& answer) const;
    void next_resource();
    [[nodiscard]] bool reuse_token(Resource resource, const std::string& scope);
    [[nodiscard]] ExchangeRequest refresh_request(const std::string& scope) const;
    void refresh_for(Resource resource, const std::string& scope);
    void refreshed(Resource resource, ExchangeResult result);
    void take_refresh_token(const FetchFailure& failure);
    void skip(Resource resource, const std::string& why);
    [[nodiscard]] bool may_ask_graph() const;
    void confirm_user();
    void ask_graph(const Secret& token);
    void decide();
    void fail(protocol::AgentFailure failure);
    template <typename Function>
    [[nodiscard]] auto guarded(Function function);

    Services services_;
    LoginOrder order_;
    Callbacks callbacks_;
    LoginEndpoints endpoints_;
    std::shared_ptr<DeviceFlow> device_;
    std::shared_ptr<CodeFlow> code_;
    std::string step_scope_;  // as asked at this step
    Resource resource_ = Resource::Smtp;
    int step_ = 0;
    std::size_t next_ = 1;  // of order_.resources
    std::vector<Resource> consented_;
    std::vector<std::string> warnings_;
    std::vector<std::string> scopes_done_;  // as asked, beside tokens_.access
    std::optional<IdToken> identity_;
    bool may_read_user_ = false;  // User.Read stands in a granted scope
    ConsentedTokens tokens_;
    bool over_ = false;
};

/// A callback that does nothing once we are stopped or gone.
template <typename Function>
auto LoginConsents::guarded(Function function) {
    return [weak = weak_from_this(), function = std::move(function)](auto&&... arguments) {
        const auto self = weak.lock();
        if (self != nullptr && !self->over_) {
            function(*self, std::forward<decltype(arguments)>(arguments)...);
        }
    };
}

}  // namespace postbearer::agent
