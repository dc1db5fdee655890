// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "common/clock.hh"
#include "common/result.hh"
#include "common/secret.hh"
#include "token-agent/credentials/jwt.hh"

namespace postbearer::agent {

/// The form field that goes with an assertion (RFC 7523 section 2.2).
inline constexpr std::string_view kAssertionType =
    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Valid from a little before now, because clocks differ.
inline constexpr std::chrono::seconds kAssertionAge{60};
inline constexpr std::chrono::seconds kAssertionLife{600};

/// PS256 for RSA, which Entra asks for; ES256 for EC.
[[nodiscard]] JwtAlgorithm first_algorithm(const SigningKey& key) noexcept;

/// Proof of the client by its key (RFC 7523 section 3), for one use. `audience` is the token
/// endpoint's URL. RS256 carries the SHA-1 thumbprint as well: servers that need the one know the
/// certificate by the other (AD FS). Error: Internal.
[[nodiscard]] Result<Secret> make_client_assertion(const SigningKey& key, JwtAlgorithm algorithm,
                                                   const std::string& client_id,
                                                   const std::string& audience, WallTime now);

}  // namespace postbearer::agent
