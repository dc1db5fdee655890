// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/evp.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/clock.hh"
#include "common/owned.hh"
#include "common/result.hh"

namespace postbearer::agent {

enum class KeyKind : std::uint8_t { Rsa, EcP256 };

/// What the certificate of a key says.
struct CertificateFacts {
    std::string subject;   // "CN=postbearer", printable, at most 100 bytes
    std::string sha1;      // hexadecimal, upper case: the "thumbprint" of Entra's portal
    std::string x5t;       // RFC 7515 4.1.7: SHA-1, unpadded base64url
    std::string x5t_s256;  // RFC 7515 4.1.8: SHA-256, unpadded base64url
    WallTime not_before;
    WallTime not_after;
};

/// A private key that signs, mostly with the certificate that belongs to it. Immutable.
class SigningKey {
public:
    using KeyOwner = Owned<EVP_PKEY, EVP_PKEY_free>;

    SigningKey(KeyOwner key, KeyKind kind, int bits, std::string public_key,
               std::optional<CertificateFacts> certificate);

    [[nodiscard]] EVP_PKEY* native() const noexcept { return key_.get(); }
    [[nodiscard]] KeyKind kind() const noexcept { return kind_; }
    [[nodiscard]] int bits() const noexcept { return bits_; }
    /// SHA-256 of the SubjectPublicKeyInfo, hexadecimal: the same for the same key.
    [[nodiscard]] const std::string& public_key() const noexcept { return public_key_; }
    [[nodiscard]] const std::optional<CertificateFacts>& certificate() const noexcept {
        return certificate_;
    }
    /// For messages: "certificate CN=postbearer (thumbprint 0A1B...)".
    [[nodiscard]] std::string name() const;

private:
    KeyOwner key_;
    KeyKind kind_;
    int bits_;
    std::string public_key_;
    std::optional<CertificateFacts> certificate_;
};

using SharedKey = std::shared_ptr<const SigningKey>;

/// What the files hold; all views are only read.
struct KeyMaterial {
    std::string_view certificate;  // PEM (one of several must fit the key), or PKCS#12
    std::string_view private_key;  // PEM; empty: it is in `certificate` too
    std::string_view passphrase;   // of whichever is encrypted
};

/// Certificate and private key. RSA of at least 2048 bits, or P-256. Error: Config, with a sentence
/// that says what to do and holds nothing of the key; it begins with the configuration key it is
/// about, "certificate: ", "private_key: " or "private_key_passphrase: ".
[[nodiscard]] Result<SharedKey> load_certificate_key(const KeyMaterial& material);

/// A private key alone (PEM), RSA of at least 2048 bits. Error: Config.
[[nodiscard]] Result<SharedKey> load_bare_key(std::string_view pem);

}  // namespace postbearer::agent
