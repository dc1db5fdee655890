// SPDX-License-Identifier: Apache-2.0
#include "auth_codes.hh"

#include <algorithm>

namespace postbearer::rehearsal {
namespace {

constexpr std::size_t kRandomBytes = 60;
constexpr std::size_t kShortestVerifier = 43;
constexpr std::size_t kLongestVerifier = 128;

bool is_unreserved(char c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return letter || c == '-' || c == '.' || c == '_' || c == '~';
}

}  // namespace

bool verifier_fits(const std::string& verifier, const std::string& challenge) {
    return verifier.size() >= kShortestVerifier && verifier.size() <= kLongestVerifier &&
           std::all_of(verifier.begin(), verifier.end(), is_unreserved) &&
           base64url(sha256(verifier)) == challenge;
}

std::string AuthCodes::issue(AuthCode code, const std::string& prefix) {
    std::string text = prefix + base64url(random_bytes(kRandomBytes));
    codes_.insert_or_assign(sha256(text), std::move(code));
    return text;
}

std::variant<UserGrant, EntraError> AuthCodes::redeem(const Claim& claim, WallTime now) {
    const auto found = codes_.find(sha256(claim.code));
    if (found == codes_.end() || found->second.grant.realm != claim.realm ||
        found->second.grant.client_id != claim.client_id) {
        return entra_error(70000, "");
    }
    AuthCode& code = found->second;
    if (code.used) {
        return entra_error(54005, "");
    }
    if (code.expires <= now) {
        return entra_error(70008, "");
    }
    if (code.redirect_uri != claim.redirect_uri) {
        return entra_error(500112, claim.redirect_uri);
    }
    if (!code.challenge.empty() && !verifier_fits(claim.verifier, code.challenge)) {
        return entra_error(claim.verifier.empty() ? 50148 : 501481, "");
    }
    code.used = true;
    return code.grant;
}

}  // namespace postbearer::rehearsal
