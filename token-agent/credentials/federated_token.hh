// SPDX-License-Identifier: Apache-2.0
#pragma once

// A token of another issuer (Kubernetes, SPIFFE, GitHub) that proves the client in place of a
// secret: RFC 7523 section 3, "workload identity federation".

#include <cstddef>
#include <string>
#include <string_view>

#include "common/result.hh"
#include "common/secret.hh"

namespace postbearer::agent {

inline constexpr std::size_t kMaxFederatedTokenBytes = 64 * 1024;

/// Reads the file as it is now; whoever renews it replaces it under our feet. Error: Config, a
/// clause without any part of the token: not there, too large, no JWT, or writable by all.
[[nodiscard]] Result<Secret> read_federated_token(const std::string& path);

/// "iss 'X', sub 'Y', aud 'Z'" of a JWT, unverified and printable, for messages only: what the
/// provider compares with its federated credential. Empty if they cannot be read.
[[nodiscard]] std::string presented_claims(std::string_view jwt);

}  // namespace postbearer::agent
