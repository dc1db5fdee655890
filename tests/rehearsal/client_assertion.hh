// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aadsts.hh"
#include "client_registry.hh"
#include "jwt.hh"
#include "login_state.hh"

namespace postbearer::rehearsal {

/// PS256 or RS256 (RFC 7518 sections 3.3 and 3.5: the salt is as long as the digest); false for any
/// other algorithm.
[[nodiscard]] bool verify_rsa(EVP_PKEY& key, const std::string& algorithm,
                              std::string_view signed_part, std::string_view signature);
/// The public key of a PEM text, certificate or SPKI; null if it holds none.
[[nodiscard]] Key public_key_of(const std::string& pem);

/// RFC 7523 section 3 and Entra's rules: what is wrong with this client assertion, or nothing.
/// `endpoints` are the URLs its audience may name. `by_thumbprint`: the header says which
/// certificate; else any whose key fits.
class AssertionJudge {
public:
    AssertionJudge(LoginState& state, const Client& client, std::vector<std::string> endpoints,
                   WallTime now, bool by_thumbprint = true)
        : state_(state),
          client_(client),
          endpoints_(std::move(endpoints)),
          now_(now),
          by_thumbprint_(by_thumbprint) {}

    [[nodiscard]] std::optional<EntraError> judge(const std::string& type,
                                                  const std::string& assertion,
                                                  const std::string& client_id);
    /// certificate or federated, then the algorithm; for the record.
    [[nodiscard]] const std::string& kind() const { return kind_; }

private:
    [[nodiscard]] std::optional<EntraError> judge_certificate(const Jwt& jwt,
                                                              const std::string& client_id);
    [[nodiscard]] std::optional<EntraError> judge_signature(const Jwt& jwt) const;
    [[nodiscard]] std::optional<EntraError> judge_federated(const Jwt& jwt);
    [[nodiscard]] std::optional<EntraError> judge_times(const Json::Value& claims) const;
    [[nodiscard]] std::optional<EntraError> judge_replay(const Jwt& jwt,
                                                         const std::string& assertion);

    LoginState& state_;
    const Client& client_;
    std::vector<std::string> endpoints_;
    WallTime now_;
    bool by_thumbprint_;
    std::string kind_;
};

}  // namespace postbearer::rehearsal
