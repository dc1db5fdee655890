// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "tests/support/files.hh"

namespace postbearer::test {

/// RFC 7515, without padding.
[[nodiscard]] std::string base64url(const std::string& bytes);
/// A JWT signed by openssl(1) with a PEM RSA key; `algorithm` is RS256 or PS256.
[[nodiscard]] std::string signed_jwt(const std::string& algorithm, const std::string& payload,
                                     const Path& key);

}  // namespace postbearer::test
