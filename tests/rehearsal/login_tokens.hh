// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <string>

#include "client_registry.hh"
#include "consents.hh"
#include "jwt.hh"
#include "login_provider.hh"
#include "login_state.hh"
#include "room.hh"
#include "token_mint.hh"

namespace postbearer::rehearsal {

/// One successful answer to a person's grant.
struct LoginAnswer {
    const LoginProvider& provider;
    const Client& client;
    const LoginUser& user;
    const UserGrant& grant;
    Scopes scopes;              // of this answer
    std::string audience;       // of the access token
    std::string refresh_token;  // empty: none
    const Twists& twists;
    WallTime now;
};

/// Makes what a token endpoint answers a person's login with.
class LoginTokens {
public:
    LoginTokens(const SigningKey& own, const SigningKey& foreign, TokenMint& mint)
        : own_(own), foreign_(foreign), mint_(mint) {}

    /// access_token, token_type, expires_in, scope, and where they are due refresh_token, id_token
    /// and refresh_in. The access token's fingerprint goes to `record`.
    [[nodiscard]] Json::Value answer(const LoginAnswer& order, RequestRecord& record) const;

private:
    [[nodiscard]] std::string access_token(const LoginAnswer& order) const;
    [[nodiscard]] std::string id_token(const LoginAnswer& order) const;

    const SigningKey& own_;
    const SigningKey& foreign_;
    TokenMint& mint_;
};

/// Directory object id of a user, as tokens and Graph name it.
[[nodiscard]] std::string user_object_id(const std::string& upn);

}  // namespace postbearer::rehearsal
