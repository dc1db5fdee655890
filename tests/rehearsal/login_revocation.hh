// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "login_provider.hh"
#include "login_state.hh"
#include "token_verifier.hh"

namespace postbearer::rehearsal {

/// RFC 7009: ends a refresh token and all that came of its login, or one access token of this
/// provider. False if there was nothing to end. `client_id` empty: anybody may.
bool revoke_token(LoginState& state, TokenVerifier& verifier, const LoginProvider& provider,
                  const std::string& client_id, const std::string& token, WallTime now);

/// Google's tokens look opaque: what stands behind "ya29." is a JWT of ours.
[[nodiscard]] std::string_view without_google_prefix(std::string_view token);

}  // namespace postbearer::rehearsal
