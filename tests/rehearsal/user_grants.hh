// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <string>
#include <variant>

#include "login_tokens.hh"
#include "token_request.hh"

namespace postbearer::rehearsal {

inline constexpr const char* kCodeGrant = "authorization_code";
inline constexpr const char* kRefreshGrant = "refresh_token";
inline constexpr const char* kDeviceGrant = "urn:ietf:params:oauth:grant-type:device_code";

/// The grants behind which a person stands: codes, device codes, refresh tokens. The room has
/// judged the form and the client; it also says the refusal in its own words.
class UserGrants {
public:
    using Result = std::variant<Json::Value, EntraError>;

    UserGrants(LoginState& state, const LoginTokens& tokens, Records& records)
        : state_(state), tokens_(tokens), records_(records) {}

    [[nodiscard]] static bool knows(const std::string& grant_type);
    [[nodiscard]] Result serve(const LoginProvider& provider, const Client& client,
                               const TokenRequest& asked, RequestRecord& record,
                               const Twists& twists, WallTime now);

private:
    struct Turn {
        const LoginProvider& provider;
        const Client& client;
        const TokenRequest& asked;
        RequestRecord& record;
        const Twists& twists;
        WallTime now;
    };
    using ScopesOrError = std::variant<Scopes, EntraError>;

    [[nodiscard]] Result redeem_code(const Turn& turn);
    [[nodiscard]] Result poll_device(const Turn& turn);
    [[nodiscard]] Result refresh(const Turn& turn);
    [[nodiscard]] Result first_answer(const Turn& turn, const UserGrant& grant);
    [[nodiscard]] Json::Value answer(const Turn& turn, const UserGrant& grant, const Scopes& scopes,
                                     const std::string& refresh_token) const;
    /// What of the grant this answer is for.
    [[nodiscard]] ScopesOrError narrow(const Turn& turn, const UserGrant& grant) const;
    [[nodiscard]] ScopesOrError narrow_entra(const Turn& turn, const UserGrant& grant) const;

    LoginState& state_;
    const LoginTokens& tokens_;
    Records& records_;
};

/// Counts refreshes and polls, and gives a poll its time; whatever the answer will be.
void notice_user_grant(const TokenRequest& asked, RequestRecord& record, LoginState& state,
                       WallTime now);

}  // namespace postbearer::rehearsal
