// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "aadsts.hh"
#include "authorize_flow.hh"
#include "client_registry.hh"
#include "device_flow.hh"
#include "entra_client.hh"
#include "jwt.hh"
#include "room.hh"
#include "token_mint.hh"
#include "token_request.hh"
#include "user_grants.hh"

namespace postbearer::rehearsal {

/// Microsoft Entra below /{tenant}: token, devicecode and its page, authorize, discovery, keys.
class EntraRoom : public Room {
public:
    EntraRoom(std::string base_url, const ClientRegistry& clients, const SigningKey& key,
              TokenMint& mint, Records& records, LoginState& logins, const LoginTokens& tokens)
        : base_url_(std::move(base_url)),
          clients_(clients),
          key_(key),
          mint_(mint),
          records_(records),
          client_judge_(logins, base_url_),
          grants_(logins, tokens, records),
          authorize_(logins),
          devices_(logins, clients) {}

    [[nodiscard]] bool claim(const HttpRequest& request, RequestRecord& record) const override;
    [[nodiscard]] HttpAnswer serve(const HttpRequest& request, RequestRecord& record,
                                   const Twists& twists, WallTime now) override;

private:
    using ClientOrError = std::variant<const Client*, EntraError>;

    /// One where the tenant is not there or the app is not at home in it.
    [[nodiscard]] std::optional<EntraError> judge_tenant(const std::string& tenant) const;
    [[nodiscard]] const Client* find_client(const std::string& id, const std::string& tenant) const;
    [[nodiscard]] LoginProvider provider(const std::string& tenant, const Client* client) const;
    [[nodiscard]] HttpAnswer refuse(const EntraError& error, const HttpRequest& request,
                                    RequestRecord& record, WallTime now) const;
    [[nodiscard]] HttpAnswer serve_token(const HttpRequest& request, RequestRecord& record,
                                         const Twists& twists, WallTime now);
    [[nodiscard]] HttpAnswer serve_discovery(const HttpRequest& request,
                                             const RequestRecord& record, WallTime now) const;
    [[nodiscard]] HttpAnswer serve_keys(const HttpRequest& request) const;
    [[nodiscard]] ClientOrError judge(const TokenRequest& asked, const HttpRequest& request,
                                      RequestRecord& record, WallTime now) const;
    [[nodiscard]] HttpAnswer serve_app(const Client& client, const std::string& scope,
                                       const HttpRequest& request, RequestRecord& record,
                                       const Twists& twists, WallTime now);
    [[nodiscard]] HttpAnswer serve_device_code(const HttpRequest& request, RequestRecord& record,
                                               WallTime now);
    [[nodiscard]] std::string issuer(const std::string& tenant) const;

    std::string base_url_;
    const ClientRegistry& clients_;
    const SigningKey& key_;
    TokenMint& mint_;
    Records& records_;
    EntraClientJudge client_judge_;
    UserGrants grants_;
    AuthorizeFlow authorize_;
    DeviceFlow devices_;
};

}  // namespace postbearer::rehearsal
