// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/login_failure.hh"

#include "common/text.hh"

namespace postbearer::agent {

using protocol::FailureClass;
using protocol::FailureCode;

namespace {

constexpr std::size_t kShownNameBytes = 80;

std::string why_no_refresh_token(ProviderType type) {
    switch (type) {
        case ProviderType::Microsoft:
            return "offline_access was not granted: allow it for the app in Entra (API "
                   "permissions), then log in again";
        case ProviderType::Google:
            return "Google gives one only with access_type=offline and prompt=consent: remove the "
                   "app at myaccount.google.com/permissions, then log in again";
        case ProviderType::Yahoo:
        case ProviderType::Aol:
        case ProviderType::Fastmail:
        case ProviderType::Oidc:
            break;
    }
    return "Allow refresh tokens for this client there, or add the scope it wants for them (often "
           "offline_access) to scopes, then log in again";
}

}  // namespace

protocol::AgentFailure login_failure(FailureClass failure_class, FailureCode code,
                                     std::string_view message) {
    protocol::AgentFailure failure;
    failure.failure_class = failure_class;
    failure.code = code;
    failure.message = printable(message, protocol::kMaxSentenceBytes);
    return failure;
}

protocol::AgentFailure not_confirmed(std::chrono::seconds life) {
    const auto minutes = std::chrono::ceil<std::chrono::minutes>(life).count();
    return login_failure(FailureClass::NeedsUser, FailureCode::Timeout,
                         "the sign-in was not confirmed within " + std::to_string(minutes) +
                             (minutes == 1 ? " minute" : " minutes") + ". Start the login again");
}

protocol::AgentFailure user_declined() {
    return login_failure(FailureClass::NeedsUser, FailureCode::AccessDenied,
                         "the user declined the sign-in or the consent. Start the login again");
}

protocol::AgentFailure no_refresh_token(const ProviderConfig& provider) {
    return login_failure(FailureClass::NeedsAdmin, FailureCode::InvalidGrant,
                         "provider '" + provider.name +
                             "' gave no refresh token, so the login would end with its first "
                             "token. " +
                             why_no_refresh_token(provider.type));
}

protocol::AgentFailure other_user(std::string_view user, std::string_view login) {
    const std::string shown = printable(user, kShownNameBytes);
    return login_failure(
        FailureClass::NeedsUser, FailureCode::AccessDenied,
        shown + " signed in, not " + printable(login, kShownNameBytes) +
            "; nothing was stored. Sign in as the right one (a private window helps), or start "
            "with --accept-user, or write login = \"" +
            shown + "\" into the account's rule if the mailbox is shared");
}

protocol::AgentFailure unnamed_user(const ProviderConfig& provider, std::string_view login) {
    return login_failure(FailureClass::NeedsUser, FailureCode::AccessDenied,
                         "provider '" + provider.name +
                             "' does not say who signed in; nothing was stored. Make sure that " +
                             printable(login, kShownNameBytes) +
                             " is who signs in, then start with --accept-user");
}

}  // namespace postbearer::agent
