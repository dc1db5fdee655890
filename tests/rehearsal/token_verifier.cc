// SPDX-License-Identifier: Apache-2.0
#include "token_verifier.hh"

namespace postbearer::rehearsal {
namespace {

constexpr std::size_t kMostTokens = 10000;

}  // namespace

std::string text_claim(const Json::Value& object, const char* name) {
    const Json::Value& value = object[name];
    return value.isString() ? value.asString() : std::string();
}

std::shared_ptr<const VerifiedToken> TokenVerifier::verify(std::string_view token, WallTime now) {
    const std::string digest = sha256(token);
    if (const auto found = known_.find(digest); found != known_.end()) {
        if (found->second->expires_at > unix_seconds(now)) {
            return found->second;
        }
        known_.erase(found);
    }
    auto jwt = parse_jwt(token);
    if (!jwt) {
        return nullptr;
    }
    auto verified = std::make_shared<VerifiedToken>();
    verified->problem = judge(*jwt);
    verified->fingerprint = hex(digest).substr(0, 8);
    verified->claims = std::move(jwt->claims);
    const Json::Value& expires = verified->claims["exp"];
    verified->expires_at = expires.isInt64() ? expires.asInt64() : 0;
    if (known_.size() >= kMostTokens) {
        known_.clear();
    }
    known_.emplace(digest, verified);
    return verified;
}

std::string TokenVerifier::judge(const Jwt& jwt) const {
    if (text_claim(jwt.header, "typ") != "JWT") {
        return "wrong typ";
    }
    if (text_claim(jwt.header, "alg") != "RS256") {
        return "wrong algorithm";
    }
    if (text_claim(jwt.header, "kid") != key_.kid()) {
        return "unknown key";
    }
    return key_.verify(jwt.signed_part, jwt.signature) ? "" : "bad signature";
}

}  // namespace postbearer::rehearsal
