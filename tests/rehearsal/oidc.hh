// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "client_registry.hh"
#include "jwt.hh"
#include "room.hh"
#include "token_mint.hh"
#include "token_request.hh"

namespace postbearer::rehearsal {

/// A generic OpenID provider below /oidc, as RFC 6749, RFC 8414 and RFC 8707 write it: bare
/// errors, client_secret_basic and client_secret_post. Its clients have the tenant "oidc".
class OidcRoom : public Room {
public:
    OidcRoom(std::string base_url, const ClientRegistry& clients, const SigningKey& key,
             TokenMint& mint, Records& records)
        : issuer_(std::move(base_url) + "/oidc"),
          clients_(clients),
          key_(key),
          mint_(mint),
          records_(records) {}

    [[nodiscard]] bool claim(const HttpRequest& request, RequestRecord& record) const override;
    [[nodiscard]] HttpAnswer serve(const HttpRequest& request, RequestRecord& record,
                                   const Twists& twists, WallTime now) override;

private:
    [[nodiscard]] HttpAnswer serve_token(const HttpRequest& request, RequestRecord& record,
                                         const Twists& twists, WallTime now);
    [[nodiscard]] HttpAnswer serve_discovery() const;

    std::string issuer_;
    const ClientRegistry& clients_;
    const SigningKey& key_;
    TokenMint& mint_;
    Records& records_;
};

}  // namespace postbearer::rehearsal
