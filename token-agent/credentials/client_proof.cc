// SPDX-License-Identifier: Apache-2.0
#include "token-agent/credentials/client_proof.hh"

#include <algorithm>
#include <utility>

#include "token-agent/credentials/client_assertion.hh"
#include "token-agent/credentials/federated_token.hh"
#include "token-agent/credentials/signing_key.hh"

namespace postbearer::agent {
namespace {

using protocol::FailureCode;

tl::unexpected<ProofProblem> problem(FailureCode code, std::string why) {
    return tl::unexpected(ProofProblem{code, std::move(why)});
}

ProofResult prove_by_key(const SigningKey& key, const std::string& client_id,
                         const std::string& audience, JwtAlgorithm algorithm, WallTime now) {
    const auto& certificate = key.certificate();
    if (certificate && certificate->not_after <= now) {
        return problem(FailureCode::CertExpired,
                       "expired on " + date_text(certificate->not_after) +
                           ". Make a new certificate, upload it to the app registration, set "
                           "certificate and private_key to it, then reload");
    }
    auto assertion = make_client_assertion(key, algorithm, client_id, audience, now);
    if (!assertion) {
        return problem(FailureCode::InvalidClient, assertion.error().context);
    }
    return ClientProof{true, std::move(*assertion), {}};
}

ProofResult prove_by_file(const std::string& path) {
    auto token = read_federated_token(path);
    if (!token) {
        return problem(FailureCode::InvalidClient, token.error().context);
    }
    std::string claims = presented_claims(token->reveal());
    return ClientProof{true, std::move(*token), std::move(claims)};
}

std::string numbered_secret(const std::vector<ClientCredential>& credentials, std::size_t index) {
    const auto is_secret = [](const ClientCredential& credential) {
        return credential.kind == CredentialKind::Secret;
    };
    const auto all = std::count_if(credentials.begin(), credentials.end(), is_secret);
    if (all < 2) {
        return "client_secret";
    }
    const auto place = credentials.begin() + static_cast<std::ptrdiff_t>(index);
    const auto before = std::count_if(credentials.begin(), place, is_secret);
    return "client_secret " + std::to_string(before + 1) + " of " + std::to_string(all);
}

}  // namespace

ProofResult make_proof(const ClientCredential& credential, const std::string& client_id,
                       const std::string& audience, JwtAlgorithm algorithm, WallTime now) {
    if (credential.kind == CredentialKind::Certificate && credential.key != nullptr) {
        return prove_by_key(*credential.key, client_id, audience, algorithm, now);
    }
    if (credential.kind == CredentialKind::FederatedToken) {
        return prove_by_file(credential.federated_token_file);
    }
    if (credential.kind != CredentialKind::Secret || credential.secret == nullptr ||
        credential.secret->empty()) {
        return problem(FailureCode::InvalidClient, "the client_secret is empty");
    }
    return ClientProof{false, credential.secret->clone(), {}};
}

std::string name_of_credential(const std::vector<ClientCredential>& credentials,
                               std::size_t index) {
    const ClientCredential& credential = credentials.at(index);
    switch (credential.kind) {
        case CredentialKind::Secret:
            break;
        case CredentialKind::Certificate:
            return credential.key == nullptr ? "certificate" : credential.key->name();
        case CredentialKind::FederatedToken:
            return "federated_token_file " + credential.federated_token_file;
        case CredentialKind::ManagedIdentity:
            return credential.identity.empty() ? "managed_identity"
                                               : "managed_identity " + credential.identity;
    }
    return credentials.size() < 2 ? std::string() : numbered_secret(credentials, index);
}

std::string date_text(WallTime time) {
    const std::chrono::year_month_day day{std::chrono::floor<std::chrono::days>(time)};
    const auto two = [](unsigned number) {
        return (number < 10 ? "0" : "") + std::to_string(number);
    };
    return std::to_string(static_cast<int>(day.year())) + "-" +
           two(static_cast<unsigned>(day.month())) + "-" + two(static_cast<unsigned>(day.day()));
}

std::optional<ClientProof> usual_proof(const ProviderConfig& provider, const std::string& audience,
                                       WallTime now) {
    for (const ClientCredential& credential : provider.credentials) {
        if (credential.kind == CredentialKind::ManagedIdentity) {
            continue;
        }
        const bool elliptic =
            credential.key != nullptr && credential.key->kind() == KeyKind::EcP256;
        auto proof = make_proof(credential, provider.client_id, audience,
                                elliptic ? JwtAlgorithm::Es256 : JwtAlgorithm::Rs256, now);
        if (proof) {
            return std::move(*proof);
        }
    }
    return std::nullopt;
}

}  // namespace postbearer::agent
