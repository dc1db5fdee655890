// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.hh"
#include "token-agent/config.hh"

namespace postbearer::agent {

/// Whether the provider could tell the lists apart: dates and the like do not matter.
[[nodiscard]] bool same_credentials(const std::vector<ClientCredential>& a,
                                    const std::vector<ClientCredential>& b);
/// The service account included.
[[nodiscard]] bool same_credentials(const ProviderConfig& a, const ProviderConfig& b);

/// Notices that a provider's credentials changed while we run. New secrets and consents take
/// minutes to reach all of Microsoft's servers, so an error right after a change proves nothing.
/// What is seen for the first time is no change: a wrong secret at the start is said at once.
class CredentialChanges {
public:
    static constexpr std::chrono::minutes kSettling{15};

    /// Call at each request; true while a change is younger than kSettling.
    [[nodiscard]] bool settling(const ProviderConfig& provider, BootTime now);

private:
    struct Seen {
        std::string identity;
        std::vector<ClientCredential> credentials;
        std::optional<BootTime> changed;
    };
    std::map<std::string, Seen> seen_;  // by provider name
};

}  // namespace postbearer::agent
