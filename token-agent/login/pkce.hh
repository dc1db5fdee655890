// SPDX-License-Identifier: Apache-2.0
#pragma once

// The random values of a login: PKCE (RFC 7636), state (RFC 6749 section 10.12), nonce (OpenID
// Connect Core 3.1.2.1).

#include <cstddef>
#include <string>
#include <string_view>

#include "common/secret.hh"

namespace postbearer::agent {

inline constexpr std::size_t kVerifierBytes = 32;  // of randomness; 43 characters
inline constexpr std::size_t kStateBytes = 32;     // 256 bits; nonces too

/// RFC 4648 section 5 without padding, as all of OAuth wants it.
[[nodiscard]] WipedBytes base64url(std::string_view bytes);

/// That many bytes of the kernel's randomness, as base64url.
[[nodiscard]] Secret random_text(std::size_t bytes);

/// RFC 7636 section 4.2, S256: base64url of SHA-256 of the verifier's ASCII.
[[nodiscard]] std::string challenge_of(const Secret& verifier);

/// In a time that says nothing of where they differ. Lengths are no secret.
[[nodiscard]] bool equal_secrets(std::string_view a, std::string_view b) noexcept;

}  // namespace postbearer::agent
