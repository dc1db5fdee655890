// SPDX-License-Identifier: Apache-2.0
#include "token-agent/credential_memory.hh"

#include <algorithm>

#include "token-agent/credentials/signing_key.hh"

namespace postbearer::agent {

std::vector<std::size_t> CredentialMemory::order(const ProviderConfig& provider,
                                                 Grant grant) const {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < provider.credentials.size(); ++i) {
        if (grant == Grant::ClientCredentials ||
            provider.credentials[i].kind != CredentialKind::ManagedIdentity) {
            order.push_back(i);
        }
    }
    // After a reload the index may belong to another credential or to none: it is a guess.
    const auto known = worked_.find(provider.name);
    const auto place =
        known == worked_.end() ? order.end() : std::find(order.begin(), order.end(), known->second);
    if (place != order.end()) {
        std::rotate(order.begin(), place, place + 1);
    }
    return order;
}

void CredentialMemory::worked(const ProviderConfig& provider, std::size_t index) {
    worked_[provider.name] = index;
}

bool CredentialMemory::wants_rs256(const SigningKey& key) const {
    return rs256_.count(key.public_key()) > 0;
}

void CredentialMemory::accepted_rs256(const SigningKey& key) { rs256_.insert(key.public_key()); }

}  // namespace postbearer::agent
