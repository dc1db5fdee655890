// SPDX-License-Identifier: Apache-2.0
#pragma once

// Between the rooms of credentials/ only: PEM and PKCS#12 as OpenSSL's objects.

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <string_view>
#include <vector>

#include "common/owned.hh"
#include "common/result.hh"
#include "token-agent/credentials/signing_key.hh"

namespace postbearer::agent {

using Bio = Owned<BIO, BIO_free_all>;
using CertificateOwner = Owned<X509, X509_free>;
using KeyOwner = SigningKey::KeyOwner;

inline void free_openssl(void* p) noexcept { OPENSSL_free(p); }

struct KeyParts {
    std::vector<CertificateOwner> certificates;  // at least one
    KeyOwner key;                                // never null
};

/// Error: Config, as load_certificate_key() gives it. OpenSSL's error queue is empty afterwards.
[[nodiscard]] Result<KeyParts> read_key_parts(const KeyMaterial& material);

/// The first private key of a PEM text; `what` is its configuration key, for messages.
[[nodiscard]] Result<KeyOwner> read_private_key(std::string_view pem, std::string_view passphrase,
                                                std::string_view what);

}  // namespace postbearer::agent
