// SPDX-License-Identifier: Apache-2.0
#include "token-agent/oauth_error.hh"

#include <algorithm>
#include <iterator>

namespace postbearer::agent {
namespace {

using protocol::FailureClass;
using protocol::FailureCode;

struct Row {
    std::string_view error;
    Verdict verdict;
};

constexpr Verdict kClientRefused = {FailureClass::NeedsAdmin, FailureCode::InvalidClient,
                                    "the client was refused",
                                    "Check client_id and client_secret, then reload"};
constexpr Verdict kScopeRefused = {FailureClass::NeedsAdmin, FailureCode::InvalidScope,
                                   "the scope or resource was refused",
                                   "Correct scopes here or the app's permissions there"};
constexpr Verdict kNotAllowed = {FailureClass::NeedsAdmin, FailureCode::UnauthorizedClient,
                                 "the client may not use this grant",
                                 "Allow it for this client at the provider"};
constexpr Verdict kGrantEnded = {FailureClass::NeedsUser, FailureCode::InvalidGrant,
                                 "the grant is no longer valid", "Log in again"};
constexpr Verdict kUserNeeded = {FailureClass::NeedsUser, FailureCode::InteractionRequired,
                                 "consent or a new login is needed", "Log in again"};
constexpr Verdict kServerTrouble = {FailureClass::Transient, FailureCode::ProviderError,
                                    "the provider has trouble", "Retried automatically"};
constexpr Verdict kThrottled = {FailureClass::Transient, FailureCode::Throttled,
                                "the provider throttles requests", "Retried automatically"};
constexpr Verdict kMalformed = {FailureClass::NeedsAdmin, FailureCode::ProviderError,
                                "the provider calls the request malformed",
                                "Check client_id, token_endpoint and scopes, then reload"};

constexpr Row kRows[] = {
    {"invalid_client", kClientRefused},
    {"disabled_client", kClientRefused},
    {"deleted_client", kClientRefused},
    {"unauthorized_client", kNotAllowed},
    {"unsupported_grant_type", kNotAllowed},
    {"admin_policy_enforced", kNotAllowed},
    {"org_internal", kNotAllowed},
    {"invalid_scope", kScopeRefused},
    {"invalid_resource", kScopeRefused},
    {"invalid_target", kScopeRefused},
    {"invalid_request", kMalformed},
    {"invalid_grant", kGrantEnded},
    {"invalid_code", kGrantEnded},  // glewlwyd
    {"expired_token", kGrantEnded},
    {"interaction_required", kUserNeeded},
    {"consent_required", kUserNeeded},
    {"login_required", kUserNeeded},
    {"access_denied", kUserNeeded},
    {"authorization_declined", kUserNeeded},
    {"temporarily_unavailable", kServerTrouble},
    {"server_error", kServerTrouble},
    {"internal_failure", kServerTrouble},
    {"authorization_pending", kServerTrouble},
    {"slow_down", kThrottled},
    {"rate_limit_exceeded", kThrottled},
};

}  // namespace

std::optional<Verdict> verdict_on(std::string_view error, std::string_view suberror, Grant grant) {
    const auto* const row = std::find_if(std::begin(kRows), std::end(kRows),
                                         [error](const Row& r) { return r.error == error; });
    if (row == std::end(kRows)) {
        return std::nullopt;
    }
    Verdict verdict = row->verdict;
    if (suberror == "client_mismatch" || suberror == "protection_policy_required") {
        verdict.failure_class = FailureClass::NeedsAdmin;  // no login cures these
        verdict.fix = "Check which client the grant was given to, and the tenant's app protection";
    } else if (grant != Grant::Delegated && error == "access_denied") {
        verdict = kNotAllowed;  // nobody was asked, so nobody can agree
    } else if (grant == Grant::ServiceAccount && error == "invalid_grant") {
        verdict.failure_class = FailureClass::NeedsAdmin;  // nobody can log in here
        verdict.fix =
            "Check that the account exists, that the key of service_account_key is still valid and "
            "that this host's clock is right";
    } else if (grant != Grant::Delegated && verdict.failure_class == FailureClass::NeedsUser) {
        verdict.fix = "Check the app's permissions, consent and policies at the provider";
    }
    return verdict;
}

}  // namespace postbearer::agent
