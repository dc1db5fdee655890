// SPDX-License-Identifier: Apache-2.0
#pragma once

// What we know of the providers, as data: hosts per cloud, endpoints, scopes. Every value can be
// overridden in agent.toml, because the providers' own documents disagree in places.

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/http_client.hh"
#include "common/result.hh"
#include "token-agent/config.hh"

namespace postbearer::agent {

/// Scopes of one grant by Resource, separated by blanks; empty: the provider has no such resource.
using PresetScopes = std::array<std::string_view, 4>;

/// Endpoints may hold `{tenant}`. An empty one is unknown or absent.
struct ProviderPreset {
    ProviderType type;
    Cloud cloud;
    std::string_view issuer;
    std::string_view authorization_endpoint;
    std::string_view token_endpoint;
    std::string_view device_authorization_endpoint;
    std::string_view revocation_endpoint;
    PresetScopes app_only;
    PresetScopes delegated;
    std::string_view smtp_host;  // what the admin writes into relayhost
};

/// Never null for a valid pair; clouds matter to Microsoft alone.
[[nodiscard]] const ProviderPreset& preset_of(ProviderType type, Cloud cloud);

[[nodiscard]] std::string_view name_of(ProviderType type) noexcept;

/// Where tokens come from; empty: only discovery at `issuer` can tell.
/// Error: Config, where the tenant is missing or no tenant name, or an oidc provider has neither.
[[nodiscard]] Result<std::string> token_endpoint_of(const ProviderConfig& provider);

/// An endpoint of the preset with the tenant in place, whatever is configured; empty: it has none.
/// Error: Config, as token_endpoint_of().
[[nodiscard]] Result<std::string> preset_endpoint(const ProviderConfig& provider,
                                                  std::string_view ProviderPreset::*which);

/// The preset's issuer with the tenant in place, or the configured one.
[[nodiscard]] Result<std::string> issuer_of(const ProviderConfig& provider);

/// https://ISSUER/.well-known/openid-configuration (OpenID Connect Discovery 1.0 section 4).
[[nodiscard]] Result<std::string> discovery_url_of(const ProviderConfig& provider);

/// The scopes to ask for; empty: no scope parameter (generic servers have a default).
/// Error: Config, where this provider has no such resource or grant.
[[nodiscard]] Result<std::vector<std::string>> scopes_of(const ProviderConfig& provider,
                                                         Resource resource, Grant grant);

/// The same in one line; empty where there are none, or this provider has no such resource.
[[nodiscard]] std::string scope_words(const ProviderConfig& provider, Resource resource,
                                      Grant grant);

/// What an access token depends on: one of another client, tenant, server or of other scopes is
/// another token.
[[nodiscard]] std::string token_identity(const ProviderConfig& provider, Resource resource,
                                         Grant grant);

/// The provider's own ca_file and proxy before those of [agent].
[[nodiscard]] http::Transport transport_of(const AgentConfig& config,
                                           const ProviderConfig& provider);

}  // namespace postbearer::agent
