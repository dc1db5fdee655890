// SPDX-License-Identifier: Apache-2.0
#pragma once

// The URL a browser is sent to (RFC 6749 section 4.1.1, RFC 7636, OpenID Connect Core 3.1.2.1).

#include <string>
#include <string_view>

#include "token-agent/config.hh"

namespace postbearer::agent {

struct AuthorizationWish {
    ProviderType type = ProviderType::Oidc;
    std::string endpoint;  // may have a query of its own
    std::string client_id;
    std::string redirect_uri;
    std::string scope;
    std::string_view state;
    std::string_view nonce;  // empty: no id_token is asked for
    std::string challenge;   // S256
    std::string login_hint;
};

/// All values percent-encoded. Microsoft is told to ask which account, Google to give a refresh
/// token (access_type=offline, and prompt=consent: it gives another only then), an OpenID provider
/// that is asked for offline_access prompt=consent (Core section 11).
[[nodiscard]] std::string authorization_url(const AuthorizationWish& wish);

/// An address on this host that a browser may come back to: http, a loopback host, a port or none,
/// a path without query and fragment. RFC 8252 section 7.3.
[[nodiscard]] bool is_loopback_redirect(const std::string& uri);

/// Whether a redirect address fits the configured one: equal to it, or with a port where that has
/// none. An empty `configured` means http://localhost.
[[nodiscard]] bool fits_redirect(const std::string& uri, const std::string& configured);

}  // namespace postbearer::agent
