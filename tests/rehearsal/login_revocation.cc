// SPDX-License-Identifier: Apache-2.0
#include "login_revocation.hh"

namespace postbearer::rehearsal {

std::string_view without_google_prefix(std::string_view token) {
    constexpr std::string_view kPrefix = "ya29.";
    return token.substr(0, kPrefix.size()) == kPrefix ? token.substr(kPrefix.size()) : token;
}

bool revoke_token(LoginState& state, TokenVerifier& verifier, const LoginProvider& provider,
                  const std::string& client_id, const std::string& token, WallTime now) {
    const auto* const entry = state.refresh_tokens.find(token);
    const bool mine = entry != nullptr && entry->grant.realm == provider.realm &&
                      (client_id.empty() || entry->grant.client_id == client_id);
    if (mine) {
        if (entry->state == RefreshTokens::State::Revoked) {
            return false;
        }
        (void)state.refresh_tokens.revoke_family(entry->family);  // how many does not matter
        ++state.counters.families_revoked;
        ++state.counters.revocations;
        return true;
    }
    const auto access = verifier.verify(without_google_prefix(token), now);
    const bool known = access && access->problem.empty() &&
                       access->expires_at > unix_seconds(now) &&
                       text_claim(access->claims, "iss") == provider.issuer &&
                       (client_id.empty() || text_claim(access->claims, "azp") == client_id);
    if (!known || !state.revoked_access.insert(fingerprint(token)).second) {
        return false;
    }
    ++state.counters.revocations;
    return true;
}

}  // namespace postbearer::rehearsal
