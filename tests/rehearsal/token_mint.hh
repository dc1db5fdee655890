// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "jwt.hh"
#include "records.hh"

namespace postbearer::rehearsal {

struct MintOrder {
    std::string client_id;
    std::string tenant;
    std::string issuer;
    std::string audience;
    std::int64_t lifetime_seconds = 3600;         // negative: expired already
    std::vector<std::string> roles;               // app-only shape
    std::optional<std::string> user;              // delegated shape
    std::string scope;                            // delegated shape, full URLs separated by blanks
    Json::Value extra_claims{Json::objectValue};  // null takes a claim away
    Json::Value header{Json::objectValue};
    std::size_t pad_bytes = 0;
    bool foreign_key = false;
    std::string prefix{};  // before the JWT, for a provider whose tokens look opaque
};

/// Makes the access tokens: about 1.5 kB, claims as Entra's, both shapes acceptable to Dovecot
/// 2.3 (typ "JWT", kid, sub, exp, azp; iat and nbf five minutes back as Entra does it).
class TokenMint {
public:
    TokenMint(const SigningKey& own, const SigningKey& foreign, Records& records)
        : own_(own), foreign_(foreign), records_(records) {}

    /// The token; it is in the records already.
    [[nodiscard]] std::string mint(const MintOrder& order, WallTime now);

private:
    const SigningKey& own_;
    const SigningKey& foreign_;
    Records& records_;
};

/// Delegated scope where the client names none.
inline constexpr const char* kDelegatedScope = "https://outlook.office.com/SMTP.Send";

/// The GUID a tenant's name stands for; a GUID stands for itself.
[[nodiscard]] std::string tenant_guid(const std::string& tenant);

}  // namespace postbearer::rehearsal
