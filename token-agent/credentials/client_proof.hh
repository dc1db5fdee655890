// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "common/agent_messages.hh"
#include "common/clock.hh"
#include "common/secret.hh"
#include "token-agent/config.hh"
#include "token-agent/credentials/jwt.hh"

namespace postbearer::agent {

/// What one request to a token endpoint shows: a client secret, or an assertion (RFC 7523).
struct ClientProof {
    bool assertion = false;
    Secret text;
    std::string presented;  // claims of a federated token, for messages
};

/// Why there is nothing to show.
struct ProofProblem {
    protocol::FailureCode code = protocol::FailureCode::InvalidClient;
    std::string why;  // a sentence without its full stop
};

using ProofResult = tl::expected<ClientProof, ProofProblem>;

/// Not for managed identities: they have a server of their own. `audience` is the URL of the token
/// endpoint, `algorithm` matters to certificates alone.
[[nodiscard]] ProofResult make_proof(const ClientCredential& credential,
                                     const std::string& client_id, const std::string& audience,
                                     JwtAlgorithm algorithm, WallTime now);

/// For endpoints beside the token endpoint, where one try has to do: the proof of the first
/// credential that has one, by RS256 or ES256, which every server takes. nullopt: client_id alone.
[[nodiscard]] std::optional<ClientProof> usual_proof(const ProviderConfig& provider,
                                                     const std::string& audience, WallTime now);

/// For messages: "client_secret 1 of 2", "certificate CN=a (thumbprint 0A1B)". Empty for a single
/// client_secret, which needs no name.
[[nodiscard]] std::string name_of_credential(const std::vector<ClientCredential>& credentials,
                                             std::size_t index);

/// 2027-05-01
[[nodiscard]] std::string date_text(WallTime time);

}  // namespace postbearer::agent
