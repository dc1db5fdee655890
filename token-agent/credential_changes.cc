// SPDX-License-Identifier: Apache-2.0
#include "token-agent/credential_changes.hh"

#include <openssl/crypto.h>

#include <algorithm>
#include <utility>

#include "token-agent/credentials/service_account.hh"
#include "token-agent/credentials/signing_key.hh"

namespace postbearer::agent {
namespace {

bool same_secret(const std::shared_ptr<const Secret>& a, const std::shared_ptr<const Secret>& b) {
    if (a == b || a == nullptr || b == nullptr) {
        return a == b;
    }
    return a->size() == b->size() &&
           CRYPTO_memcmp(a->reveal().data(), b->reveal().data(), a->size()) == 0;
}

/// Each reload reads the files anew, so the objects differ where the keys do not.
bool same_key(const SharedKey& a, const SharedKey& b) {
    if (a == b || a == nullptr || b == nullptr) {
        return a == b;
    }
    const bool same_certificate =
        a->certificate().has_value() == b->certificate().has_value() &&
        (!a->certificate() || a->certificate()->x5t_s256 == b->certificate()->x5t_s256);
    return a->public_key() == b->public_key() && same_certificate;
}

bool same_credential(const ClientCredential& a, const ClientCredential& b) {
    return a.kind == b.kind && same_secret(a.secret, b.secret) && same_key(a.key, b.key) &&
           a.federated_token_file == b.federated_token_file && a.identity == b.identity;
}

}  // namespace

bool same_credentials(const std::vector<ClientCredential>& a,
                      const std::vector<ClientCredential>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), same_credential);
}

bool same_credentials(const ProviderConfig& a, const ProviderConfig& b) {
    const bool both = a.service_account != nullptr && b.service_account != nullptr;
    const bool same_account =
        both ? a.service_account->facts().client_email == b.service_account->facts().client_email &&
                   a.service_account->key().public_key() == b.service_account->key().public_key()
             : a.service_account == b.service_account;
    return same_account && same_credentials(a.credentials, b.credentials);
}

bool CredentialChanges::settling(const ProviderConfig& provider, BootTime now) {
    std::string identity = provider.client_id + '\n' + provider.tenant + '\n' + provider.issuer +
                           '\n' + provider.token_endpoint;
    const auto [where, first] = seen_.try_emplace(provider.name);
    Seen& seen = where->second;
    if (!first &&
        (seen.identity != identity || !same_credentials(seen.credentials, provider.credentials))) {
        seen.changed = now;
    }
    seen.identity = std::move(identity);
    seen.credentials = provider.credentials;
    return seen.changed && now - *seen.changed < kSettling;
}

}  // namespace postbearer::agent
