// SPDX-License-Identifier: Apache-2.0
#pragma once

// Tokens for the identity of this machine: Azure's instance metadata service (IMDS), or Azure Arc
// on a host that stands elsewhere.

#include <functional>
#include <string>
#include <string_view>

#include "common/clock.hh"
#include "common/http/http_client.hh"
#include "token-agent/token_source.hh"

namespace postbearer::agent {

/// Where this machine's identity service is. The defaults are those of Azure.
struct IdentityHost {
    std::string imds = "http://169.254.169.254";
    std::string arc;  // URL of Arc's token endpoint, http on loopback; empty: no Arc, ask IMDS
    std::string arc_tokens = "/var/opt/azcmagent/tokens";
};

/// AZURE_POD_IDENTITY_AUTHORITY_HOST in place of IMDS; IDENTITY_ENDPOINT with IMDS_ENDPOINT, or an
/// installed Arc agent, for Arc; POSTBEARER_ARC_TOKEN_DIR for its keys. A set-user-id process reads
/// none of them.
[[nodiscard]] IdentityHost identity_host_of_this_machine();

struct IdentityWish {
    std::string provider;   // its name, for messages
    std::string resource;   // such as https://graph.microsoft.com: a scope without /.default
    std::string client_id;  // of a user-assigned identity; empty: the system-assigned one
};

/// Calls `done` exactly once, later, on the loop's thread. `client` and `clock` must live until
/// then. What passes by itself there (404, 408, 410, 429, 5xx) is transient, the rest needs the
/// admin. Never by proxy.
void fetch_identity_token(http::HttpClient& client, const Clock& clock, const IdentityHost& host,
                          IdentityWish wish, std::function<void(FetchResult)> done);

/// PATH of `WWW-Authenticate: Basic realm=PATH`, if it is NAME.key right below `directory`.
[[nodiscard]] std::string arc_key_name(std::string_view header, std::string_view directory);

}  // namespace postbearer::agent
