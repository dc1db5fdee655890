// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "codec.hh"
#include "jwt.hh"

namespace postbearer::rehearsal {

/// A token with everything about it that time does not change.
struct VerifiedToken {
    Json::Value claims;
    std::string problem;  // wrong typ, wrong algorithm, unknown key, bad signature; empty: ours
    std::string fingerprint;
    std::int64_t expires_at = 0;
};

/// Empty if the claim is absent or no string.
[[nodiscard]] std::string text_claim(const Json::Value& object, const char* name);

/// Checks typ, alg, kid and signature of JWTs, each token once in its life: an RS256 check costs
/// more than all the rest of a request, and would be most of what a benchmark measures.
class TokenVerifier {
public:
    explicit TokenVerifier(const SigningKey& key) : key_(key) {}

    /// Nothing if it is no JWT.
    [[nodiscard]] std::shared_ptr<const VerifiedToken> verify(std::string_view token, WallTime now);

private:
    [[nodiscard]] std::string judge(const Jwt& jwt) const;

    const SigningKey& key_;
    /// By SHA-256 of the whole token; an entry is of no use after its exp.
    std::unordered_map<std::string, std::shared_ptr<const VerifiedToken>> known_;
};

}  // namespace postbearer::rehearsal
