// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/login_consents.hh"

#include <algorithm>

#include "common/text.hh"
#include "token-agent/login/login_scopes.hh"
#include "token-agent/login/patient_exchange.hh"
#include "token-agent/providers.hh"
#include "token-agent/stored_tokens.hh"
#include "token-agent/token_failure.hh"

namespace postbearer::agent {
namespace {

using protocol::FailureClass;
using protocol::FailureCode;

constexpr std::size_t kShownNameBytes = 80;

/// The user is asked again where that can help: consent, a second factor, a scope that the first
/// consent did not hold.
bool needs_a_step(const FetchFailure& failure) {
    return failure.answer.failure_class == FailureClass::NeedsUser ||
           failure.answer.code == FailureCode::InvalidScope || failure.answer.hint == "AADSTS65001";
}

/// Yahoo, AOL and Fastmail have no word for who signed in that an application could ask for.
bool names_users(ProviderType type) {
    return type == ProviderType::Microsoft || type == ProviderType::Google ||
           type == ProviderType::Oidc;
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
        AnswerContext context;
        context.provider = provider().name;
        context.grant = Grant::Delegated;
        fail(unanswered(found.error(), context).answer);
        return;
    }
    endpoints_ = std::move(*found);
    const bool device = order_.flow == LoginFlow::Device;
    if ((device ? endpoints_.device : endpoints_.authorization).empty()) {
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
    if (!endpoints_.checks_s256 && provider().type == ProviderType::Oidc) {
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

/// Whether there may be no id_token: not where a nonce was to come back (OpenID Connect Core
/// 3.1.3.3), nor where openid was asked of a provider that always has one.
std::optional<protocol::AgentFailure> LoginConsents::judge_missing(
    const ExchangeAnswer& answer) const {
    const std::string who = "provider '" + provider().name + "': ";
    const auto refused = [&](std::string_view why) {
        return login_failure(FailureClass::NeedsAdmin, FailureCode::BadResponse,
                             who + std::string(why));
    };
    if (identity_) {
        return refused(
            "the second answer does not say who signed in, the first did. Nothing was stored");
    }
    const bool always =
        provider().type == ProviderType::Microsoft || provider().type == ProviderType::Google;
    const bool has_nonce = code_ != nullptr && !code_->nonce().empty();
    // RFC 6749 section 5.1: scopes are named where they are not the ones that were asked for.
    const bool declined = !always && !answer.scope.empty() && !has_scope(answer.scope, "openid");
    if (has_scope(step_scope_, "openid") && (always || has_nonce) && !declined) {
        return refused(
            "openid was asked for and there is no id_token, so nobody knows who signed "
            "in. Nothing was stored");
    }
    return std::nullopt;
}

/// Who it was, as far as the id_token says; a second step must be by the same one.
std::optional<protocol::AgentFailure> LoginConsents::judge_identity(const ExchangeAnswer& answer) {
    const std::string who = "provider '" + provider().name + "': ";
    if (answer.id_token_unusable) {
        return login_failure(FailureClass::NeedsAdmin, FailureCode::BadResponse,
                             who +
                                 "the id_token is malformed, so nobody knows who signed in. "
                                 "Nothing was stored");
    }
    if (!answer.id_token) {
        return judge_missing(answer);
    }
    IdTokenWish wish;
    wish.issuer = endpoints_.issuer;
    wish.issuer_origin = endpoints_.issuer_origin;
    wish.other_issuer = endpoints_.other_issuer;
    wish.tenant = provider().tenant;
    wish.provider_type = provider().type;
    wish.mail_is_vouched_for = vouches_for_mail(provider());
    wish.client_id = provider().client_id;
    wish.nonce = code_ != nullptr ? code_->nonce().reveal() : std::string_view();
    wish.now = services_.clock.wall();
    auto read = read_id_token(*answer.id_token, wish);
    if (!read) {
        return login_failure(FailureClass::NeedsAdmin, FailureCode::BadResponse,
                             who + read.error().context);
    }
    if (!identity_) {
        identity_ = std::move(*read);
        tokens_.user = judge_names(identity_->names, order_.login, ConfirmedBy::IdToken);
        const bool other = !tokens_.user.wanted && !tokens_.user.user.empty();
        if (other && !order_.accept_user && !may_ask_graph()) {
            return other_user(tokens_.user.user, order_.login);
        }
    } else if (read->subject != identity_->subject || read->issuer != identity_->issuer) {
        return login_failure(FailureClass::NeedsUser, FailureCode::AccessDenied,
                             "another user signed in at step " + std::to_string(step_) +
                                 " than before; nothing was stored. Start the login again and "
                                 "sign in as the same user each time");
    }
    return std::nullopt;
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
    } else if (needs_a_step(result.error())) {
        begin_step(resource);
    } else {
        skip(resource, result.error().answer.message);
    }
}

void LoginConsents::skip(Resource resource, const std::string& why) {
    warnings_.push_back("no token for " + std::string(name_of(resource)) + " yet: " + why);
    callbacks_.changed();
    next_resource();
}

bool LoginConsents::may_ask_graph() const {
    return provider().type == ProviderType::Microsoft && graph_me_url(provider()) &&
           (may_read_user_ || std::find(order_.resources.begin(), order_.resources.end(),
                                        Resource::Graph) != order_.resources.end());
}

void LoginConsents::confirm_user() {
    const bool confirmed = tokens_.user.wanted && tokens_.user.by != ConfirmedBy::Unconfirmed;
    if (confirmed || !may_ask_graph()) {
        decide();
        return;
    }
    const auto graph = std::find_if(tokens_.access.begin(), tokens_.access.end(),
                                    [](const auto& pair) { return pair.first == Resource::Graph; });
    if (graph != tokens_.access.end()) {
        ask_graph(graph->second.token);
        return;
    }
    const auto scope = user_read_scope(provider());
    if (!may_read_user_ || !scope) {
        decide();
        return;
    }
    services_.exchange.send(refresh_request(*scope),
                            guarded([](LoginConsents& self, ExchangeResult result) {
                                if (!result) {
                                    self.decide();
                                    return;
                                }
                                if (result->refresh_token) {
                                    self.tokens_.refresh_token = std::move(*result->refresh_token);
                                }
                                self.ask_graph(result->token.access_token);
                            }));
}

void LoginConsents::ask_graph(const Secret& token) {
    ask_me(services_.client, transport_of(*order_.config, provider()),
           graph_me_url(provider()).value_or(""), token, vouches_for_mail(provider()),
           guarded([](LoginConsents& self, const ClaimedNames& names) {
               const SignedIn found = judge_names(names, self.order_.login, ConfirmedBy::GraphMe);
               if (found.by != ConfirmedBy::Unconfirmed || self.tokens_.user.user.empty()) {
                   self.tokens_.user = found;
               }
               self.decide();
           }));
}

void LoginConsents::decide() {
    const SignedIn& user = tokens_.user;
    if (!user.wanted && !user.user.empty() && !order_.accept_user) {
        fail(other_user(user.user, order_.login));
        return;
    }
    if (user.user.empty() && names_users(provider().type) && !order_.accept_user) {
        fail(unnamed_user(provider(), order_.login));
        return;
    }
    if (user.user.empty()) {
        warnings_.push_back(
            "unconfirmed: the provider does not say who signed in; make sure it "
            "was " +
            printable(order_.login, kShownNameBytes));
    } else if (user.wanted && user.by == ConfirmedBy::Unconfirmed) {
        warnings_.push_back("unconfirmed: the provider has not verified that " +
                            printable(user.user, kShownNameBytes) +
                            " is the address of who signed in; make sure it is");
    } else if (!user.wanted) {
        warnings_.push_back(printable(user.user, kShownNameBytes) + " signed in, not " +
                            printable(order_.login, kShownNameBytes) +
                            "; accepted because of --accept-user");
    }
    const auto self = shared_from_this();  // the owner lets go of us in there
    stop();
    callbacks_.ended(std::move(tokens_));
}

void LoginConsents::fail(protocol::AgentFailure failure) {
    const auto self = shared_from_this();
    stop();
    callbacks_.ended(tl::unexpected(std::move(failure)));
}

}  // namespace postbearer::agent
