// SPDX-License-Identifier: Apache-2.0
#include "token-agent/credential_changes.hh"

#include <openssl/crypto.h>

#include <algorithm>
#include <utility>

#include "token-agent/client_authentication.hh"

namespace postbearer::agent {
namespace {

bool same_secret(const std::shared_ptr<const Secret>& a, const std::shared_ptr<const Secret>& b) {
    if (a == b || a == nullptr || b == nullptr) {
        return a == b;
    }
    return a->size() == b->size() &&
           CRYPTO_memcmp(a->reveal().data(), b->reveal().data(), a->size()) == 0;
}

bool same_credential(const ClientCredential& a, const ClientCredential& b) {
    return a.kind == b.kind && same_secret(a.secret, b.secret) && a.key == b.key &&
           a.federated_token_file == b.federated_token_file && a.identity == b.identity;
}

}  // namespace

bool same_credentials(const std::vector<ClientCredential>& a,
                      const std::vector<ClientCredential>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), same_credential);
}

bool CredentialChanges::settling(const ProviderConfig& provider, BootTime now) {
    std::string identity = provider.client_id + '\n' + provider.tenant + '\n' + provider.issuer +
                           '\n' + provider.token_endpoint;
    const auto [where, first] = seen_.try_emplace(provider.name);
    Seen& seen = where->second;
    std::vector<ClientCredential> credentials = credentials_of(provider);
    if (!first && (seen.identity != identity || !same_credentials(seen.credentials, credentials))) {
        seen.changed = now;
    }
    seen.identity = std::move(identity);
    seen.credentials = std::move(credentials);
    return seen.changed && now - *seen.changed < kSettling;
}

}  // namespace postbearer::agent
