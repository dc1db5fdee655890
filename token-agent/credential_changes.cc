// SPDX-License-Identifier: Apache-2.0
#include "token-agent/credential_changes.hh"

#include <openssl/crypto.h>

#include <utility>

namespace postbearer::agent {
namespace {

bool same_secret(const std::shared_ptr<const Secret>& a, const std::shared_ptr<const Secret>& b) {
    if (a == b || a == nullptr || b == nullptr) {
        return a == b;
    }
    return a->size() == b->size() &&
           CRYPTO_memcmp(a->reveal().data(), b->reveal().data(), a->size()) == 0;
}

}  // namespace

bool CredentialChanges::settling(const ProviderConfig& provider, BootTime now) {
    std::string identity = provider.client_id + '\n' + provider.tenant + '\n' + provider.issuer +
                           '\n' + provider.token_endpoint;
    const auto [where, first] = seen_.try_emplace(provider.name);
    Seen& seen = where->second;
    if (!first &&
        (seen.identity != identity || !same_secret(seen.secret, provider.client_secret))) {
        seen.changed = now;
    }
    seen.identity = std::move(identity);
    seen.secret = provider.client_secret;
    return seen.changed && now - *seen.changed < kSettling;
}

}  // namespace postbearer::agent
