// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "token-agent/config.hh"

namespace postbearer::agent {

/// What earlier requests have shown of the providers' credentials.
class CredentialMemory {
public:
    /// Indices of the provider's credentials in the order to try them: the one that worked last,
    /// then the rest as configured. A managed identity is an application of its own, so it takes
    /// part in client_credentials only.
    [[nodiscard]] std::vector<std::size_t> order(const ProviderConfig& provider, Grant grant) const;
    void worked(const ProviderConfig& provider, std::size_t index);

    /// The key was accepted with RS256 after it had been refused with PS256.
    [[nodiscard]] bool wants_rs256(const SigningKey& key) const;
    void accepted_rs256(const SigningKey& key);

private:
    std::map<std::string, std::size_t> worked_;  // by provider name
    std::set<std::string> rs256_;                // SigningKey::public_key()
};

}  // namespace postbearer::agent
