// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <optional>
#include <string>
#include <string_view>

#include "pki.hh"

namespace postbearer::rehearsal {

/// An RSA key that signs RS256 JWTs (RFC 7515, RFC 7518 section 3.3).
class SigningKey {
public:
    /// `kid` is derived from the public key.
    [[nodiscard]] static std::optional<SigningKey> make();

    [[nodiscard]] const std::string& kid() const { return kid_; }
    [[nodiscard]] std::string spki_pem() const { return public_pem(*key_); }
    /// RFC 7517 member of a key set.
    [[nodiscard]] Json::Value jwk() const;
    /// Compact serialisation; header {"typ":"JWT","alg":"RS256","kid":...}, changed by
    /// `header_changes`. Empty if OpenSSL refuses.
    [[nodiscard]] std::string sign(const Json::Value& claims,
                                   const Json::Value& header_changes) const;
    [[nodiscard]] bool verify(std::string_view signed_part, std::string_view signature) const;

private:
    explicit SigningKey(Key key) : key_(std::move(key)) {}

    Key key_;
    std::string kid_;
};

/// A token taken apart; nothing is verified yet.
struct Jwt {
    Json::Value header;
    Json::Value claims;
    std::string signed_part;
    std::string signature;
};
[[nodiscard]] std::optional<Jwt> parse_jwt(std::string_view token);

}  // namespace postbearer::rehearsal
