// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "authorize_flow.hh"
#include "device_flow.hh"
#include "jwt.hh"
#include "oidc_client.hh"
#include "room.hh"
#include "token_verifier.hh"
#include "user_grants.hh"

namespace postbearer::rehearsal {

/// A generic OpenID provider below /oidc, as RFC 6749, 7009, 7636, 8414, 8628 and 8707 write it:
/// bare errors; token, authorize, device_authorization and its page device, revoke. Its clients
/// have the tenant "oidc".
class OidcRoom : public Room {
public:
    struct Parts {
        const ClientRegistry& clients;
        const SigningKey& key;
        TokenMint& mint;
        Records& records;
        LoginState& logins;
        const LoginTokens& tokens;
        TokenVerifier& verifier;
    };
    OidcRoom(const std::string& base_url, const Parts& parts)
        : base_url_(base_url),
          issuer_(base_url + "/oidc"),
          parts_(parts),
          grants_(parts.logins, parts.tokens, parts.records),
          authorize_(parts.logins),
          devices_(parts.logins, parts.clients) {}

    [[nodiscard]] bool claim(const HttpRequest& request, RequestRecord& record) const override;
    [[nodiscard]] HttpAnswer serve(const HttpRequest& request, RequestRecord& record,
                                   const Twists& twists, WallTime now) override;

private:
    [[nodiscard]] LoginProvider provider() const;
    /// What a POST with client authentication has to get right.
    [[nodiscard]] std::optional<OidcRefusal> judge(const HttpRequest& request,
                                                   const TokenRequest& asked, RequestRecord& record,
                                                   WallTime now);
    [[nodiscard]] HttpAnswer serve_token(const HttpRequest& request, RequestRecord& record,
                                         const Twists& twists, WallTime now);
    [[nodiscard]] HttpAnswer serve_app(const Client& client, const TokenRequest& asked,
                                       RequestRecord& record, const Twists& twists, WallTime now);
    [[nodiscard]] HttpAnswer serve_device(const HttpRequest& request, RequestRecord& record,
                                          WallTime now);
    [[nodiscard]] HttpAnswer serve_revoke(const HttpRequest& request, RequestRecord& record,
                                          WallTime now);
    [[nodiscard]] HttpAnswer serve_discovery() const;

    std::string base_url_;
    std::string issuer_;
    Parts parts_;
    UserGrants grants_;
    AuthorizeFlow authorize_;
    DeviceFlow devices_;
};

}  // namespace postbearer::rehearsal
