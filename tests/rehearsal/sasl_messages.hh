// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <variant>

namespace postbearer::rehearsal {

struct Credentials {
    std::string user;
    std::string secret;  // bearer token, or PLAIN's password
};
/// The credentials, or what was malformed.
using CredentialsOrReason = std::variant<Credentials, std::string>;

/// `user=U^Aauth=Bearer T^A^A`, nothing more and nothing less.
[[nodiscard]] CredentialsOrReason parse_xoauth2(std::string_view message);
/// RFC 7628 section 3.1: GS2 header `n,a=U,`, key/value pairs, each ended by ^A, and a last ^A.
[[nodiscard]] CredentialsOrReason parse_oauthbearer(std::string_view message);
/// RFC 4616; an authorization identity must equal the authentication identity.
[[nodiscard]] CredentialsOrReason parse_plain(std::string_view message);

}  // namespace postbearer::rehearsal
