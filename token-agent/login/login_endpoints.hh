// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where a login talks to, and who may answer: configured, discovered, or of the preset.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/result.hh"
#include "token-agent/config.hh"
#include "token-agent/discovery.hh"

namespace postbearer::agent {

/// An empty endpoint: the provider has none.
struct LoginEndpoints {
    std::string authorization;
    std::string device;
    std::string revocation;
    /// Of id_tokens and authorization responses; may hold {tenantid} (Entra); empty: not known.
    std::string issuer;
    std::string other_issuer;
    /// Of the token endpoint: where the issuer is not known, it must at least be there.
    std::string issuer_origin;
    bool sends_issuer = false;        // RFC 9207
    std::optional<bool> checks_s256;  // as ServerMetadata
    std::vector<std::string> scopes;  // supported ones; empty: the server does not say
    /// Why discovery failed: what stands here is configured, and nobody knows what the server
    /// promises.
    std::optional<Error> undiscovered;
};

/// Calls `done` once, inside this call if discovery is not needed. A failed discovery is an error
/// unless the token endpoint and that of a flow are configured. Errors: as Discovery::find();
/// Config.
void find_login_endpoints(Discovery& discovery, const std::shared_ptr<const AgentConfig>& config,
                          std::uint32_t provider, std::function<void(Result<LoginEndpoints>)> done);

/// Whether `issuer` is the expected one; {tenantid} stands for any directory's id. Where the issuer
/// is not known, whether it is on the token endpoint's host.
[[nodiscard]] bool is_expected_issuer(std::string_view issuer, const LoginEndpoints& endpoints);

/// Whether an issuer that nobody has told us of is at `origin`.
[[nodiscard]] bool is_issuer_at(std::string_view issuer, const std::string& origin);

/// The flows that can work: there is an endpoint, and the provider lets this flow have mail scopes
/// (Google's device flow does not; an endpoint of one's own says otherwise).
[[nodiscard]] bool offers_device(const ProviderConfig& provider, const LoginEndpoints& endpoints);

}  // namespace postbearer::agent
