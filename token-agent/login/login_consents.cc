// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/login_consents.hh"

#include <algorithm>

#include "token-agent/login/login_scopes.hh"
#include "token-agent/login/patient_exchange.hh"
#include "token-agent/providers.hh"
#include "token-agent/token_failure.hh"

namespace postbearer::agent {
namespace {

using protocol::FailureClass;
using protocol::FailureCode;

/// The user is asked again where that can help: consent, a second factor, a scope that the first
/// consent did not hold.
bool needs_a_step(const FetchFailure& failure) {
    return failure.answer.failure_class == FailureClass::NeedsUser ||
           failure.answer.code == FailureCode::InvalidScope || failure.answer.hint == "AADSTS65001";
}

bool grants_user_read(std::string_view scope) {
    constexpr std::string_view kWord = "User.Read";
    if (has_scope(scope, kWord)) {
        return true;
    }
    constexpr std::string_view kLong = "/User.Read";
    for (std::size_t at = scope.find(kLong); at != std::string_view::npos;
         at = scope.find(kLong, at + 1)) {
        const std::size_t end = at + kLong.size();
        if (end == scope.size() || scope[end] == ' ') {
            return true;
        }
    }
    return false;
}

}  // namespace

LoginConsents::LoginConsents(const Services& services, LoginOrder order, Callbacks callbacks)
    : services_(services), order_(std::move(order)), callbacks_(std::move(callbacks)) {
    resource_ = order_.resources.front();
}

LoginConsents::~LoginConsents() { stop(); }

void LoginConsents::stop() {
    over_ = true;
    device_.reset();
    code_.reset();
}

const DeviceFlow* LoginConsents::device() const noexcept {
    return device_ != nullptr && device_->grant() != nullptr ? device_.get() : nullptr;
}

const CodeFlow* LoginConsents::code() const noexcept {
    return code_ != nullptr && !code_->taken() ? code_.get() : nullptr;
}

void LoginConsents::start() {
    find_login_endpoints(services_.discovery, order_.config, order_.provider,
                         guarded([](LoginConsents& self, Result<LoginEndpoints> found) {
                             self.located(std::move(found));
                         }));
}

void LoginConsents::located(Result<LoginEndpoints> found) {
    if (!found) {
        fail_undiscovered(found.error());
        return;
    }
    endpoints_ = std::move(*found);
    const bool device = order_.flow == LoginFlow::Device;
    const bool has_endpoint = !(device ? endpoints_.device : endpoints_.authorization).empty();
    if (endpoints_.undiscovered) {
        if (!has_endpoint) {
            fail_undiscovered(*endpoints_.undiscovered);
            return;
        }
        warnings_.push_back("provider '" + provider().name +
                            "' could not be discovered, so the configured endpoints are used and "
                            "what it promises (PKCE, iss) is not known: " +
                            endpoints_.undiscovered->context);
    }
    if (!has_endpoint) {
        fail(login_failure(FailureClass::NeedsAdmin, FailureCode::ProviderError,
                           "provider '" + provider().name +
                               (device ? "' has no device login. Use --browser or --paste, or set "
                                         "device_authorization_endpoint"
                                       : "' has no login by browser. Use --device, or set "
                                         "authorization_endpoint")));
        return;
    }
    if (!device && !judge_pkce()) {
        return;
    }
    begin_step(order_.resources.front());
}

void LoginConsents::fail_undiscovered(const Error& why) {
    AnswerContext context;
    context.provider = provider().name;
    context.grant = Grant::Delegated;
    fail(unanswered(why, context).answer);
}

/// False: it has failed. A code that anybody can redeem is no login (RFC 9700 section 2.1.1); a
/// server that does not know the challenge ignores it without a word.
bool LoginConsents::judge_pkce() {
    const std::string who = "provider '" + provider().name + "'";
    if (!endpoints_.checks_s256.value_or(true)) {
        fail(login_failure(FailureClass::NeedsAdmin, FailureCode::ProviderError,
                           who + " does not offer PKCE with S256 (its metadata say so), so "
                                 "anybody could redeem a code on its way. Use --device, or switch "
                                 "PKCE on at the server"));
        return false;
    }
    if (!endpoints_.checks_s256 && !endpoints_.undiscovered &&
        provider().type == ProviderType::Oidc) {
        warnings_.push_back(who +
                            " does not say whether it checks PKCE "
                            "(code_challenge_methods_supported)");
    }
    return true;
}

void LoginConsents::begin_step(Resource resource) {
    resource_ = resource;
    const auto scope = step_scope(provider(), resource, order_.resources, endpoints_.scopes);
    if (!scope) {
        fail(login_failure(FailureClass::NeedsAdmin, FailureCode::InvalidScope,
                           "provider '" + provider().name + "': " + scope.error().context));
        return;
    }
    ++step_;
    step_scope_ = *scope;
    order_.flow == LoginFlow::Device ? begin_device(*scope) : begin_code(*scope);
}

void LoginConsents::begin_device(const std::string& scope) {
    DeviceFlow::Wish wish{order_.config, order_.provider, endpoints_.device, scope};
    DeviceFlow::Callbacks callbacks;
    callbacks.shown = guarded([](LoginConsents& self) { self.callbacks_.changed(); });
    callbacks.ended =
        guarded([](LoginConsents& self, StepResult result) { self.step_ended(std::move(result)); });
    device_ =
        std::make_shared<DeviceFlow>(DeviceFlow::Services{services_.client, services_.exchange,
                                                          services_.clock, services_.scheduler},
                                     std::move(wish), std::move(callbacks));
    device_->start();
}

void LoginConsents::begin_code(const std::string& scope) {
    CodeFlow::Wish wish;
    wish.config = order_.config;
    wish.provider = order_.provider;
    wish.endpoints = endpoints_;
    wish.redirect_uri = order_.redirect_uri;
    wish.scope = scope;
    wish.login_hint = order_.login;
    code_ = std::make_shared<CodeFlow>(
        CodeFlow::Services{services_.exchange, services_.clock, services_.scheduler},
        std::move(wish), guarded([](LoginConsents& self, StepResult result) {
            self.step_ended(std::move(result));
        }));
    code_->start();
    callbacks_.changed();
}

Result<void> LoginConsents::take(std::string_view text) {
    if (code_ == nullptr) {
        return failure(Errc::Denied, "This login waits for no address now");
    }
    return code_->take(text);
}

void LoginConsents::step_ended(StepResult result) {
    if (result) {
        take_answer(resource_, std::move(*result));
        return;
    }
    device_.reset();
    code_.reset();
    if (consented_.empty()) {
        fail(std::move(result.error()));
        return;
    }
    // What was consented before is a login all the same.
    skip(resource_, result.error().message);
}

void LoginConsents::take_answer(Resource resource, ExchangeAnswer answer) {
    const bool by_step = device_ != nullptr || code_ != nullptr;
    may_read_user_ = may_read_user_ || grants_user_read(answer.scope);
    if (by_step || answer.id_token || answer.id_token_unusable) {
        if (auto failure = judge_identity(answer)) {
            fail(std::move(*failure));
            return;
        }
    }
    device_.reset();
    code_.reset();
    if (answer.refresh_token) {
        tokens_.refresh_token = std::move(*answer.refresh_token);
        tokens_.public_client = answer.public_client;
    }
    if (tokens_.refresh_token.empty()) {
        fail(no_refresh_token(provider()));
        return;
    }
    StoredAccess access;
    access.token = std::move(answer.token.access_token);
    access.token_type = answer.token.token_type;
    access.issued_at = services_.clock.wall();
    access.life = answer.token.expires_in;
    access.refresh_in = answer.token.refresh_in;
    access.scope = token_identity(provider(), resource, Grant::Delegated);
    tokens_.access.emplace_back(resource, std::move(access));
    scopes_done_.push_back(refresh_scope(provider(), resource).value_or(""));
    consented_.push_back(resource);
    callbacks_.changed();
    next_resource();
}

void LoginConsents::next_resource() {
    while (next_ < order_.resources.size()) {
        const Resource resource = order_.resources[next_++];
        const auto scope = refresh_scope(provider(), resource);
        if (!scope) {
            warnings_.push_back(std::string(name_of(resource)) + ": " + scope.error().context);
        } else if (!reuse_token(resource, *scope)) {
            refresh_for(resource, *scope);
            return;
        }
    }
    confirm_user();
}

/// One token serves all resources that have the same scope (Google, Yahoo).
bool LoginConsents::reuse_token(Resource resource, const std::string& scope) {
    const auto same = std::find(scopes_done_.begin(), scopes_done_.end(), scope);
    if (same == scopes_done_.end()) {
        return false;
    }
    const StoredAccess& known =
        tokens_.access[static_cast<std::size_t>(same - scopes_done_.begin())].second;
    StoredAccess access;
    access.token = known.token.clone();
    access.token_type = known.token_type;
    access.issued_at = known.issued_at;
    access.life = known.life;
    access.refresh_in = known.refresh_in;
    access.scope = token_identity(provider(), resource, Grant::Delegated);
    tokens_.access.emplace_back(resource, std::move(access));
    scopes_done_.push_back(scope);
    consented_.push_back(resource);
    return true;
}

ExchangeRequest LoginConsents::refresh_request(const std::string& scope) const {
    ExchangeRequest request;
    request.config = order_.config;
    request.provider = order_.provider;
    request.grant = Grant::Delegated;
    request.fields = {{"grant_type", "refresh_token"}};
    request.secret_fields = {
        {"refresh_token", std::make_shared<const Secret>(tokens_.refresh_token.clone())}};
    request.scope = scope;
    request.public_client = tokens_.public_client;
    return request;
}

void LoginConsents::refresh_for(Resource resource, const std::string& scope) {
    resource_ = resource;
    const ExchangeRequest request = refresh_request(scope);
    const auto lives = [weak = weak_from_this()] {
        const auto self = weak.lock();
        return self != nullptr && !self->over_;
    };
    send_patiently(services_.exchange, services_.clock, services_.scheduler, request, lives,
                   guarded([resource](LoginConsents& self, ExchangeResult result) {
                       self.refreshed(resource, std::move(result));
                   }));
}

void LoginConsents::refreshed(Resource resource, ExchangeResult result) {
    if (result) {
        result->public_client = result->public_client || tokens_.public_client;
        take_answer(resource, std::move(*result));
        return;
    }
    take_refresh_token(result.error());
    if (needs_a_step(result.error())) {
        begin_step(resource);
    } else {
        skip(resource, result.error().answer.message);
    }
}

/// Whatever was wrong beside it: the provider may have given up the one before.
void LoginConsents::take_refresh_token(const FetchFailure& failure) {
    if (failure.refresh_token != nullptr) {
        tokens_.refresh_token = failure.refresh_token->clone();
    }
}

void LoginConsents::skip(Resource resource, const std::string& why) {
    warnings_.push_back("no token for " + std::string(name_of(resource)) + " yet: " + why);
    callbacks_.changed();
    next_resource();
}

void LoginConsents::fail(protocol::AgentFailure failure) {
    const auto self = shared_from_this();
    stop();
    callbacks_.ended(tl::unexpected(std::move(failure)));
}

}  // namespace postbearer::agent
