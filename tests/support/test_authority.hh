// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <string>

#include "common/owned.hh"

namespace postbearer::test {

using OwnedKey = Owned<EVP_PKEY, EVP_PKEY_free>;
using OwnedCertificate = Owned<X509, X509_free>;

struct TlsIdentity {
    OwnedKey key;
    OwnedCertificate certificate;
};

/// A certificate authority made for one test run.
class TestAuthority {
public:
    explicit TestAuthority(const char* common_name = "Postbearer test CA");
    /// `names` is a subjectAltName value: "DNS:localhost,IP:127.0.0.1".
    [[nodiscard]] TlsIdentity issue(const std::string& names) const;
    [[nodiscard]] std::string pem() const;

private:
    TlsIdentity ca_;
};

}  // namespace postbearer::test
