// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "authorize_flow.hh"
#include "google_accounts.hh"
#include "jwt.hh"
#include "room.hh"
#include "token_verifier.hh"
#include "user_grants.hh"

namespace postbearer::rehearsal {

/// Google's OAuth below /google: o/oauth2/v2/auth, token, revoke, discovery, keys. Its clients have
/// the tenant "google"; refresh tokens never rotate.
class GoogleRoom : public Room {
public:
    struct Parts {
        const ClientRegistry& clients;
        const SigningKey& key;
        TokenMint& mint;
        Records& records;
        LoginState& logins;
        const LoginTokens& tokens;
        TokenVerifier& verifier;
        const std::vector<ServiceAccount>& accounts;
    };
    GoogleRoom(const std::string& base_url, const Parts& parts)
        : base_url_(base_url),
          parts_(parts),
          grants_(parts.logins, parts.tokens, parts.records),
          authorize_(parts.logins) {}

    [[nodiscard]] bool claim(const HttpRequest& request, RequestRecord& record) const override;
    [[nodiscard]] HttpAnswer serve(const HttpRequest& request, RequestRecord& record,
                                   const Twists& twists, WallTime now) override;

private:
    [[nodiscard]] LoginProvider provider() const;
    [[nodiscard]] const Client* find_client(const std::string& id) const;
    [[nodiscard]] HttpAnswer serve_token(const HttpRequest& request, RequestRecord& record,
                                         const Twists& twists, WallTime now);
    [[nodiscard]] HttpAnswer serve_service(const HttpRequest& request, RequestRecord& record,
                                           const Twists& twists, WallTime now);
    [[nodiscard]] HttpAnswer serve_revoke(const HttpRequest& request, RequestRecord& record,
                                          WallTime now);
    [[nodiscard]] HttpAnswer serve_discovery() const;

    std::string base_url_;
    Parts parts_;
    UserGrants grants_;
    AuthorizeFlow authorize_;
};

}  // namespace postbearer::rehearsal
