// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "aadsts.hh"
#include "client_registry.hh"
#include "jwt.hh"
#include "room.hh"
#include "token_mint.hh"
#include "token_request.hh"

namespace postbearer::rehearsal {

/// Microsoft Entra's token side: /{tenant}/oauth2/v2.0/token, discovery and keys. One grant so
/// far, client_credentials with a secret.
class EntraRoom : public Room {
public:
    EntraRoom(std::string base_url, const ClientRegistry& clients, const SigningKey& key,
              TokenMint& mint, Records& records)
        : base_url_(std::move(base_url)),
          clients_(clients),
          key_(key),
          mint_(mint),
          records_(records) {}

    [[nodiscard]] bool claim(const HttpRequest& request, RequestRecord& record) const override;
    [[nodiscard]] HttpAnswer serve(const HttpRequest& request, RequestRecord& record,
                                   const Twists& twists, WallTime now) override;

private:
    using ClientOrError = std::variant<const Client*, EntraError>;

    [[nodiscard]] HttpAnswer serve_token(const HttpRequest& request, RequestRecord& record,
                                         const Twists& twists, WallTime now);
    [[nodiscard]] HttpAnswer serve_discovery(const HttpRequest& request,
                                             const RequestRecord& record, WallTime now) const;
    [[nodiscard]] HttpAnswer serve_keys(const HttpRequest& request) const;
    [[nodiscard]] ClientOrError judge(const TokenRequest& asked, const HttpRequest& request,
                                      const std::string& tenant) const;
    [[nodiscard]] std::optional<EntraError> judge_client(const TokenRequest& asked,
                                                         const std::string& tenant) const;
    [[nodiscard]] std::string issuer(const std::string& tenant) const;

    std::string base_url_;
    const ClientRegistry& clients_;
    const SigningKey& key_;
    TokenMint& mint_;
    Records& records_;
};

}  // namespace postbearer::rehearsal
