// SPDX-License-Identifier: Apache-2.0

// The part of LoginConsents that asks who signed in.

#include <algorithm>

#include "common/text.hh"
#include "token-agent/login/login_consents.hh"
#include "token-agent/login/login_scopes.hh"
#include "token-agent/providers.hh"

namespace postbearer::agent {

using protocol::FailureClass;
using protocol::FailureCode;

namespace {

constexpr std::size_t kShownNameBytes = 80;

/// Yahoo, AOL and Fastmail have no word for who signed in that an application could ask for.
bool names_users(ProviderType type) {
    return type == ProviderType::Microsoft || type == ProviderType::Google ||
           type == ProviderType::Oidc;
}

}  // namespace

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
                                    self.take_refresh_token(result.error());
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

}  // namespace postbearer::agent
