// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "auth_policy.hh"
#include "client_registry.hh"
#include "login_state.hh"
#include "records.hh"
#include "sasl_messages.hh"
#include "token_verifier.hh"

namespace postbearer::rehearsal {

/// Says yes or no to credentials as Exchange Online would: our key's signature, typ, issuer,
/// times without leeway, audience; then the role and the client's mailboxes (app-only), or the
/// scope and the user's name (delegated). Google's tokens are judged by
/// Gmail's rules.
class TokenJudge {
public:
    TokenJudge(TokenVerifier& verifier, const ClientRegistry& clients, AuthPolicy& policy,
               const LoginState& logins, std::string issuer_prefix)
        : verifier_(verifier),
          clients_(clients),
          policy_(policy),
          logins_(logins),
          issuer_prefix_(std::move(issuer_prefix)) {}

    /// Fills user, client_id, fingerprint, success and reason ("" when good) of `record`.
    void judge(const std::string& mechanism, const std::string& message, AuthRecord& record,
               WallTime now);

private:
    [[nodiscard]] std::string judge_password(const Credentials& credentials) const;
    [[nodiscard]] std::string judge_token(const Credentials& credentials, AuthRecord& record,
                                          WallTime now) const;
    [[nodiscard]] std::string judge_times(const Json::Value& claims, WallTime now) const;
    [[nodiscard]] std::string judge_app(const Json::Value& claims, const AuthRecord& record) const;
    [[nodiscard]] static std::string judge_google(const Json::Value& claims,
                                                  const AuthRecord& record);
    [[nodiscard]] std::string judge_user(const Json::Value& claims, const AuthRecord& record) const;

    TokenVerifier& verifier_;
    const ClientRegistry& clients_;
    AuthPolicy& policy_;
    const LoginState& logins_;
    std::string issuer_prefix_;
};

}  // namespace postbearer::rehearsal
