// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>

#include "aadsts.hh"
#include "codec.hh"
#include "consents.hh"

namespace postbearer::rehearsal {

struct AuthCode {
    UserGrant grant;
    std::string redirect_uri;
    std::string challenge;  // S256; empty where the provider does without
    WallTime expires;
    bool used = false;
};

/// Authorization codes (RFC 6749 section 4.1, RFC 7636): good once, for one client, one redirect
/// address and one verifier.
class AuthCodes {
public:
    struct Claim {
        std::string realm;
        std::string client_id;
        std::string code;
        std::string redirect_uri;
        std::string verifier;
    };

    [[nodiscard]] std::string issue(AuthCode code, const std::string& prefix);
    /// Uses the code up if all is well.
    [[nodiscard]] std::variant<UserGrant, EntraError> redeem(const Claim& claim, WallTime now);
    void clear() { codes_.clear(); }

private:
    std::map<std::string, AuthCode> codes_;  // by SHA-256
};

/// RFC 7636 section 4.2; also 43 to 128 characters of its alphabet.
[[nodiscard]] bool verifier_fits(const std::string& verifier, const std::string& challenge);

}  // namespace postbearer::rehearsal
