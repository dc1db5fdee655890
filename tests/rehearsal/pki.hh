// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <optional>
#include <string>

#include "files.hh"

namespace postbearer::rehearsal {

using Key = Owned<EVP_PKEY, EVP_PKEY_free>;
using Certificate = Owned<X509, X509_free>;

[[nodiscard]] Key make_p256_key();
[[nodiscard]] Key make_rsa2048_key();
/// PKCS #8 and SPKI, both PEM.
[[nodiscard]] std::string private_pem(EVP_PKEY& key);
[[nodiscard]] std::string public_pem(EVP_PKEY& key);

struct ServerIdentity {
    std::string certificate_pem;
    std::string key_pem;
};

/// A v3 CA of one level (RFC 5280: critical basicConstraints and keyUsage, key identifiers),
/// valid from an hour ago for 30 days, and the server certificates it signs.
class Authority {
public:
    [[nodiscard]] static std::optional<Authority> make(const std::string& common_name);

    [[nodiscard]] std::string certificate_pem() const;
    /// Subject names: localhost, 127.0.0.1 and the hosts we stand in for.
    [[nodiscard]] std::optional<ServerIdentity> issue_server() const;

private:
    Authority(Key key, Certificate certificate)
        : key_(std::move(key)), certificate_(std::move(certificate)) {}

    Key key_;
    Certificate certificate_;
};

}  // namespace postbearer::rehearsal
