// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/code_flow.hh"

#include <utility>

#include "common/text.hh"
#include "token-agent/foreign_text.hh"
#include "token-agent/hints.hh"
#include "token-agent/login/authorization_url.hh"
#include "token-agent/login/login_scopes.hh"
#include "token-agent/login/patient_exchange.hh"
#include "token-agent/login/pkce.hh"
#include "token-agent/login/redirect_answer.hh"
#include "token-agent/oauth_error.hh"

namespace postbearer::agent {
namespace {

using protocol::FailureClass;
using protocol::FailureCode;

std::optional<Hint> hint_in(std::string_view description) {
    constexpr std::string_view kMark = "AADSTS";
    const std::size_t at = description.find(kMark);
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    description.remove_prefix(at + kMark.size());
    const auto number =
        parse_decimal(description.substr(0, description.find_first_not_of("0123456789")));
    return number ? find_hint(*number) : std::nullopt;
}

protocol::AgentFailure from_another_server(const RedirectAnswer& answer,
                                           const LoginEndpoints& endpoints) {
    return login_failure(
        FailureClass::NeedsAdmin, FailureCode::BadResponse,
        "the answer came from another server than the one that was asked (" +
            (answer.issuer ? "iss '" + printable(*answer.issuer, 120) + "'"
                           : std::string("no iss")) +
            "), so its code was not used. " +
            (endpoints.issuer.empty()
                 ? "If that is how the server of token_endpoint calls itself, set issuer"
                 : "Check issuer and authorization_endpoint"));
}

}  // namespace

protocol::AgentFailure authorization_refused(const RedirectAnswer& answer,
                                             const std::string& provider) {
    constexpr std::size_t kMaxQuoteBytes = 120;
    const std::string error = identifier(answer.error, {});
    const auto hint = hint_in(answer.error_description);
    if (error == "access_denied" && !hint) {
        return user_declined();
    }
    const Verdict verdict =
        verdict_on(error, "", Grant::Delegated)
            .value_or(Verdict{FailureClass::NeedsAdmin, FailureCode::ProviderError,
                              "the sign-in was refused", ""});
    std::string text = "provider '" + printable(provider, 48) + "': ";
    text += hint ? hint->means : verdict.means;
    text += hint            ? " (AADSTS" + std::to_string(hint->number) + ")"
            : error.empty() ? ""
                            : " (" + error + ")";
    const std::string_view fix = hint ? hint->fix : verdict.fix;
    text += fix.empty() ? "" : ". " + std::string(fix);
    const std::string quote = quotable(answer.error_description, kMaxQuoteBytes, {});
    if (!hint && !quote.empty()) {
        text += ". The server says: " + quote;
    }
    auto failure = login_failure(hint ? hint->failure_class : verdict.failure_class,
                                 hint ? hint->code : verdict.code, text);
    if (hint) {
        failure.hint = "AADSTS" + std::to_string(hint->number);
    }
    return failure;
}

CodeFlow::CodeFlow(const Services& services, Wish wish, Ended ended)
    : services_(services),
      wish_(std::move(wish)),
      ended_(std::move(ended)),
      verifier_(std::make_shared<const Secret>(random_text(kVerifierBytes))),
      state_(random_text(kStateBytes)) {
    if (has_scope(wish_.scope, "openid")) {
        nonce_ = random_text(kStateBytes);
    }
}

CodeFlow::~CodeFlow() { stop(); }

void CodeFlow::stop() {
    over_ = true;
    services_.scheduler.cancel(std::exchange(timer_, 0));
}

void CodeFlow::start() {
    AuthorizationWish wish;
    wish.type = provider().type;
    wish.endpoint = wish_.endpoints.authorization;
    wish.client_id = provider().client_id;
    wish.redirect_uri = wish_.redirect_uri;
    wish.scope = wish_.scope;
    wish.state = state_.reveal();
    wish.nonce = nonce_.reveal();
    wish.challenge = challenge_of(*verifier_);
    wish.login_hint = wish_.login_hint;
    url_ = authorization_url(wish);
    expires_at_ = services_.clock.boot() + kStateLife;
    timer_ = services_.scheduler.at(expires_at_, [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (self != nullptr && !self->over_) {
            self->timer_ = 0;
            self->end(tl::unexpected(not_confirmed(kStateLife)));
        }
    });
}

Result<void> CodeFlow::take(std::string_view text) {
    if (over_ || taken_) {
        return failure(Errc::Denied, "An answer was taken already; what comes of it is on its way");
    }
    auto answer = read_redirect(text, wish_.redirect_uri);
    if (!answer) {
        return failure(Errc::Denied, std::move(answer.error().context));
    }
    if (!equal_secrets(answer->state.reveal(), state_.reveal())) {
        return failure(Errc::Denied,
                       "That address answers another login (its state is not ours); open the "
                       "address of this login and paste where it ends");
    }
    taken_ = true;
    services_.scheduler.cancel(std::exchange(timer_, 0));
    if (answer->issuer ? !is_expected_issuer(*answer->issuer, wish_.endpoints)
                       : wish_.endpoints.sends_issuer) {
        end_later(from_another_server(*answer, wish_.endpoints));
    } else if (!answer->error.empty()) {
        end_later(authorization_refused(*answer, provider().name));
    } else {
        redeem(std::move(answer->code));
    }
    return {};
}

void CodeFlow::redeem(Secret code) {
    ExchangeRequest request;
    request.config = wish_.config;
    request.provider = wish_.provider;
    request.grant = Grant::Delegated;
    request.fields = {{"grant_type", "authorization_code"}, {"redirect_uri", wish_.redirect_uri}};
    request.secret_fields = {{"code", std::make_shared<const Secret>(std::move(code))},
                             {"code_verifier", verifier_}};
    const auto lives = [weak = weak_from_this()] {
        const auto self = weak.lock();
        return self != nullptr && !self->over_;
    };
    send_patiently(services_.exchange, services_.clock, services_.scheduler, request, lives,
                   [weak = weak_from_this()](ExchangeResult result) {
                       const auto self = weak.lock();
                       if (self == nullptr) {
                           return;
                       }
                       if (result) {
                           self->end(std::move(*result));
                       } else {
                           self->end(tl::unexpected(std::move(result.error().answer)));
                       }
                   });
}

void CodeFlow::end_later(protocol::AgentFailure failure) {
    timer_ = services_.scheduler.at(services_.clock.boot(),
                                    [weak = weak_from_this(), failure = std::move(failure)] {
                                        const auto self = weak.lock();
                                        if (self != nullptr && !self->over_) {
                                            self->timer_ = 0;
                                            self->end(tl::unexpected(failure));
                                        }
                                    });
}

void CodeFlow::end(StepResult result) {
    stop();
    const auto self = shared_from_this();  // the owner lets go of us in there
    ended_(std::move(result));
}

}  // namespace postbearer::agent
