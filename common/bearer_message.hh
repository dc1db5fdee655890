// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one message that a client sends in XOAUTH2 and OAUTHBEARER. It holds the token in clear text.

#include <cstdint>
#include <optional>
#include <string_view>

#include "common/result.hh"
#include "common/secret.hh"

namespace postbearer {

/// `user=U^Aauth=Bearer T^A^A` (Google and Microsoft, "XOAUTH2 protocol").
/// Error: Protocol, if `user` is empty, not UTF-8 or has control characters, or if the token is not
/// printable ASCII without blanks: either could end its field early.
[[nodiscard]] Result<WipedBytes> xoauth2_message(std::string_view user, const Secret& token);

/// The server as the client knows it, RFC 7628 section 3.1; an empty host and no port are left out.
struct BearerServer {
    std::string_view host;
    std::optional<std::uint16_t> port;
};

/// `n,a=U,^Ahost=H^Aport=P^Aauth=Bearer T^A^A`, RFC 7628; errors as above, for the host too.
[[nodiscard]] Result<WipedBytes> oauthbearer_message(std::string_view user, BearerServer server,
                                                     const Secret& token);

}  // namespace postbearer
