// SPDX-License-Identifier: Apache-2.0
#pragma once

// The primitives that the store and the export share, over OpenSSL's EVP: AES-256-GCM (SP 800-38D),
// HKDF-SHA256 (RFC 5869), HMAC-SHA256, SHA-256, random bytes. Binary strings are not secret; what
// is secret is WipedBytes or Secret. Errors: Internal, OpenSSL refused (no memory, no randomness).

#include <cstddef>
#include <string>
#include <string_view>

#include "common/result.hh"
#include "common/secret.hh"

namespace postbearer::agent {

inline constexpr std::size_t kAeadKeyBytes = 32;
inline constexpr std::size_t kAeadNonceBytes = 12;
inline constexpr std::size_t kAeadTagBytes = 16;

/// Ciphertext and tag. A key and nonce must never be used for two plaintexts.
[[nodiscard]] Result<std::string> aead_seal(std::string_view key, std::string_view nonce,
                                            std::string_view aad, std::string_view plain);
/// Protocol: not what was sealed with this key, nonce and aad.
[[nodiscard]] Result<Secret> aead_open(std::string_view key, std::string_view nonce,
                                       std::string_view aad, std::string_view sealed);

[[nodiscard]] Result<WipedBytes> hkdf_sha256(std::string_view key, std::string_view salt,
                                             std::string_view info, std::size_t size);
[[nodiscard]] Result<std::string> hmac_sha256(std::string_view key, std::string_view text);
[[nodiscard]] Result<std::string> sha256(std::string_view text);
[[nodiscard]] Result<WipedBytes> random_bytes(std::size_t size);

/// Lower case.
[[nodiscard]] std::string hex(std::string_view bytes);

}  // namespace postbearer::agent
