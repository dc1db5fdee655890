// SPDX-License-Identifier: Apache-2.0
#pragma once

// JSON Web Tokens that we sign (RFC 7515 compact serialization, RFC 7519).

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/result.hh"
#include "common/secret.hh"
#include "token-agent/credentials/signing_key.hh"

namespace postbearer::agent {

enum class JwtAlgorithm : std::uint8_t { Ps256, Rs256, Es256 };

[[nodiscard]] std::string_view name_of(JwtAlgorithm algorithm) noexcept;

/// Members in the order they are written. Strings must be UTF-8.
using JwtMembers = std::vector<std::pair<std::string, std::variant<std::string, std::int64_t>>>;

/// `alg` and `typ` come first in the header, `more_header` after them. Error: Internal, where
/// OpenSSL cannot sign with this key and algorithm.
[[nodiscard]] Result<Secret> sign_jwt(const SigningKey& key, JwtAlgorithm algorithm,
                                      const JwtMembers& more_header, const JwtMembers& claims);

}  // namespace postbearer::agent
