// SPDX-License-Identifier: Apache-2.0
#pragma once

// What an id_token says (OpenID Connect Core 1.0, sections 2 and 3.1.3.7). Its signature is not
// checked: it came straight from the token endpoint over TLS whose server was verified, which
// section 3.1.3.7 item 6 allows in place of the signature. So read none that came another way.

#include <string>
#include <string_view>

#include "common/clock.hh"
#include "common/result.hh"
#include "common/secret.hh"
#include "token-agent/config.hh"
#include "token-agent/login/claimed_names.hh"

namespace postbearer::agent {

struct IdTokenWish {
    /// Byte for byte, or with `{tenantid}` where Entra puts the directory's id (claim tid);
    /// empty: not known, for a server that was configured without an issuer.
    std::string issuer;
    std::string issuer_origin;  // where the issuer is not known: what host it must be on
    std::string other_issuer;   // accepted as well; empty: none
    std::string tenant;         // of Microsoft: a GUID, a domain name, or one of Entra's words
    ProviderType provider_type = ProviderType::Oidc;
    bool mail_is_vouched_for = false;  // of Microsoft, see vouches_for_mail()
    std::string client_id;
    std::string_view nonce;  // empty: none was sent
    WallTime now;
};

struct IdToken {
    std::string issuer;
    std::string subject;
    /// Microsoft: preferred_username and upn, which stand in a domain that the directory has proved
    /// to own. `email` is free text there: sure only where the directory is vouched for, or by
    /// xms_edov. Elsewhere: `email` if email_verified says so, else upn and preferred_username (an
    /// address before a bare name); an address that nobody verified is doubtful.
    ClaimedNames names;
};

inline constexpr std::chrono::minutes kIdTokenSkew{5};
inline constexpr std::size_t kMaxIdTokenBytes = 48UL * 1024;

/// Error: Protocol, no id_token or not one for us; a clause without any of its content but names.
[[nodiscard]] Result<IdToken> read_id_token(const Secret& token, const IdTokenWish& wish);

}  // namespace postbearer::agent
