// SPDX-License-Identifier: Apache-2.0
#include "token-agent/credentials/client_assertion.hh"

#include "token-agent/client_authentication.hh"

namespace postbearer::agent {

JwtAlgorithm first_algorithm(const SigningKey& key) noexcept {
    return key.kind() == KeyKind::EcP256 ? JwtAlgorithm::Es256 : JwtAlgorithm::Ps256;
}

Result<Secret> make_client_assertion(const SigningKey& key, JwtAlgorithm algorithm,
                                     const std::string& client_id, const std::string& audience,
                                     WallTime now) {
    JwtMembers header;
    if (key.certificate()) {
        header.emplace_back("x5t#S256", key.certificate()->x5t_s256);
        if (algorithm == JwtAlgorithm::Rs256) {
            header.emplace_back("x5t", key.certificate()->x5t);
        }
    }
    const std::int64_t seconds = now.time_since_epoch().count();
    const JwtMembers claims{{"aud", audience},
                            {"iss", client_id},
                            {"sub", client_id},
                            {"jti", random_guid()},
                            {"nbf", seconds - kAssertionAge.count()},
                            {"iat", seconds - kAssertionAge.count()},
                            {"exp", seconds + kAssertionLife.count()}};
    return sign_jwt(key, algorithm, header, claims);
}

}  // namespace postbearer::agent
