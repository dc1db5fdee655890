// SPDX-License-Identifier: Apache-2.0
#pragma once

// Keys and certificates that tests make for themselves, and signatures checked by OpenSSL's own
// means, apart from the code under test.

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <string>
#include <string_view>

#include "common/clock.hh"
#include "common/owned.hh"

namespace postbearer::test {

using TestKey = Owned<EVP_PKEY, EVP_PKEY_free>;
using TestCertificate = Owned<X509, X509_free>;

/// RSA keys are made once per size and process: they take a while.
[[nodiscard]] EVP_PKEY* rsa_key(unsigned bits = 2048);
[[nodiscard]] EVP_PKEY* other_rsa_key();
[[nodiscard]] EVP_PKEY* ec_key(const char* curve = "P-256");

struct CertificateWish {
    std::string common_name = "postbearer";
    WallTime not_before{std::chrono::seconds(1'700'000'000)};
    WallTime not_after{std::chrono::seconds(2'000'000'000)};
};
[[nodiscard]] TestCertificate make_certificate(EVP_PKEY* key, const CertificateWish& wish = {});

[[nodiscard]] std::string pem_of(const TestCertificate& certificate);
/// PKCS#8; encrypted with AES-256 if there is a passphrase.
[[nodiscard]] std::string pem_of(EVP_PKEY* key, const std::string& passphrase = {});
[[nodiscard]] std::string public_pem_of(EVP_PKEY* key);
/// Modern (AES-256, PBKDF2) or as OpenSSL 1.0 made them (RC2 for the certificate).
[[nodiscard]] std::string pkcs12_of(EVP_PKEY* key, const TestCertificate& certificate,
                                    const std::string& passphrase, bool legacy = false);

/// HEADER.PAYLOAD.SIGNATURE taken apart; the first two as JSON text, the third as bytes.
struct JwtParts {
    std::string header;
    std::string payload;
    std::string signed_text;
    std::string signature;
};
[[nodiscard]] JwtParts split_jwt(std::string_view token);
/// By the `alg` that is named: RS256, PS256 (salt of 32 bytes) or ES256.
[[nodiscard]] bool is_signed_by(const JwtParts& jwt, EVP_PKEY* key, std::string_view algorithm);

/// HEADER.PAYLOAD.SIGNATURE of these claims (JSON text), by RS256.
[[nodiscard]] std::string rs256_jwt(std::string_view claims, EVP_PKEY* key);

[[nodiscard]] std::string sha256_hex(std::string_view bytes);

}  // namespace postbearer::test
