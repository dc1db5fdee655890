// SPDX-License-Identifier: Apache-2.0
#include "client_assertion.hh"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>

#include "token_verifier.hh"

namespace postbearer::rehearsal {
namespace {

using Bio = Owned<BIO, BIO_free_all>;
using DigestContext = Owned<EVP_MD_CTX, EVP_MD_CTX_free>;

constexpr const char* kType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
constexpr std::int64_t kLeewaySeconds = 300;  // of nbf and iat, as Entra has it
constexpr std::size_t kShortestKeyBits = 2048;

Certificate read_certificate(const std::string& pem) {
    const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    return Certificate(bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr);
}

/// base64url of the certificate's digest, as x5t and x5t#S256 hold it.
std::string thumbprint(const X509& certificate, const EVP_MD* digest) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
    unsigned length = 0;
    if (X509_digest(&certificate, digest, bytes.data(), &length) != 1) {
        return {};
    }
    return base64url(std::string(bytes.data(), bytes.data() + length));
}

const unsigned char* unsigned_data(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

bool has_audience(const Json::Value& claims, const std::vector<std::string>& wanted) {
    const std::string audience = text_claim(claims, "aud");
    return std::find(wanted.begin(), wanted.end(), audience) != wanted.end();
}

}  // namespace

Key public_key_of(const std::string& pem) {
    if (const Certificate certificate = read_certificate(pem)) {
        return Key(X509_get_pubkey(certificate.get()));
    }
    const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    return Key(bio ? PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr) : nullptr);
}

bool verify_rsa(EVP_PKEY& key, const std::string& algorithm, std::string_view signed_part,
                std::string_view signature) {
    const bool pss = algorithm == "PS256";
    if ((!pss && algorithm != "RS256") || EVP_PKEY_base_id(&key) != EVP_PKEY_RSA) {
        return false;
    }
    const DigestContext context(EVP_MD_CTX_new());
    EVP_PKEY_CTX* parameters = nullptr;  // belongs to the context
    if (!context ||
        EVP_DigestVerifyInit(context.get(), &parameters, EVP_sha256(), nullptr, &key) != 1) {
        return false;
    }
    if (pss && (EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) != 1 ||
                EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) != 1)) {
        return false;
    }
    return EVP_DigestVerify(context.get(), unsigned_data(signature), signature.size(),
                            unsigned_data(signed_part), signed_part.size()) == 1;
}

std::optional<EntraError> AssertionJudge::judge(const std::string& type,
                                                const std::string& assertion,
                                                const std::string& client_id) {
    if (type != kType) {
        return entra_error(900144, "client_assertion_type");
    }
    const auto jwt = parse_jwt(assertion);
    if (!jwt) {
        return entra_error(50027, "it has not three parts of base64url");
    }
    const std::string issuer = text_claim(jwt->claims, "iss");
    kind_ = issuer == client_id ? "certificate" : "federated";
    auto refusal =
        kind_ == "certificate" ? judge_certificate(*jwt, client_id) : judge_federated(*jwt);
    kind_ += " " + text_claim(jwt->header, "alg");
    return refusal ? refusal : judge_replay(*jwt, assertion);
}

std::optional<EntraError> AssertionJudge::judge_certificate(const Jwt& jwt,
                                                            const std::string& client_id) {
    if (auto refusal = judge_signature(jwt)) {
        return refusal;
    }
    if (text_claim(jwt.claims, "sub") != client_id) {
        return entra_error(700021, client_id);
    }
    if (!has_audience(jwt.claims, endpoints_)) {
        return entra_error(700023, text_claim(jwt.claims, "aud"));
    }
    if (text_claim(jwt.claims, "jti").empty()) {
        return entra_error(50027, "it has no jti");
    }
    return judge_times(jwt.claims);
}

std::optional<EntraError> AssertionJudge::judge_signature(const Jwt& jwt) const {
    const std::string algorithm = text_claim(jwt.header, "alg");
    const auto& allowed = client_.login.assertion_algorithms;
    if (std::find(allowed.begin(), allowed.end(), algorithm) == allowed.end()) {
        return entra_error(700027, "The algorithm " + algorithm + " is not supported");
    }
    if (text_claim(jwt.header, "typ") != "JWT") {
        return entra_error(50027, "typ is not JWT");
    }
    const std::string sha256_print = text_claim(jwt.header, "x5t#S256");
    const std::string sha1_print = text_claim(jwt.header, "x5t");
    for (const std::string& pem : client_.login.certificates) {
        const Certificate certificate = read_certificate(pem);
        if (!certificate) {
            continue;
        }
        const bool meant =
            (!sha256_print.empty() && sha256_print == thumbprint(*certificate, EVP_sha256())) ||
            (!sha1_print.empty() && sha1_print == thumbprint(*certificate, EVP_sha1()));
        const Key key(X509_get_pubkey(certificate.get()));
        const bool fits =
            key && static_cast<std::size_t>(EVP_PKEY_get_bits(key.get())) >= kShortestKeyBits &&
            verify_rsa(*key, algorithm, jwt.signed_part, jwt.signature);
        if (by_thumbprint_ ? !meant : !fits) {
            continue;
        }
        if (X509_cmp_time(X509_get0_notAfter(certificate.get()), nullptr) < 0) {
            return entra_error(700027, "The key was expired");
        }
        return fits ? std::nullopt
                    : std::optional(entra_error(700027, "The signature is not the key's"));
    }
    return entra_error(700027, "The key was not found");
}

std::optional<EntraError> AssertionJudge::judge_federated(const Jwt& jwt) {
    const auto& known = client_.login.federated;
    const std::string issuer = text_claim(jwt.claims, "iss");
    const std::string subject = text_claim(jwt.claims, "sub");
    const std::string audience = text_claim(jwt.claims, "aud");
    if (known.empty()) {
        return entra_error(70021, "Assertion Issuer: '" + issuer + "'. Assertion Subject: '" +
                                      subject + "'. Assertion Audience: '" + audience + "'.");
    }
    const FederatedCredential* best = nullptr;
    for (const FederatedCredential& one : known) {
        const bool better = best == nullptr || one.subject == subject;
        best = one.issuer == issuer && better ? &one : best;
    }
    if (best == nullptr) {
        return entra_error(700211, issuer);
    }
    if (best->subject != subject) {  // case matters
        return entra_error(700213, subject);
    }
    if (best->audience != audience) {
        return entra_error(700212, audience);
    }
    const Key key = public_key_of(best->public_key);
    if (!key || text_claim(jwt.header, "alg") != "RS256" ||
        !verify_rsa(*key, "RS256", jwt.signed_part, jwt.signature)) {
        return entra_error(50013, "The signature is not the issuer's");
    }
    return judge_times(jwt.claims);
}

std::optional<EntraError> AssertionJudge::judge_times(const Json::Value& claims) const {
    const std::int64_t now = unix_seconds(now_);
    const Json::Value& expires = claims["exp"];
    const Json::Value& not_before = claims["nbf"];
    const bool early = not_before.isInt64() && not_before.asInt64() > now + kLeewaySeconds;
    const bool odd = !not_before.isNull() && !not_before.isInt64();
    if (!expires.isInt64() || expires.asInt64() <= now || early || odd) {
        return entra_error(700024, "");
    }
    return std::nullopt;
}

std::optional<EntraError> AssertionJudge::judge_replay(const Jwt& jwt,
                                                       const std::string& assertion) {
    const std::string id = client_.id + "/" + text_claim(jwt.claims, "jti");
    const auto [seen, fresh] = state_.seen_assertions.emplace(id, sha256(assertion));
    // One assertion may be used until it ends; one jti means one assertion.
    const bool other = !fresh && seen->second != sha256(assertion);
    if (kind_.rfind("certificate", 0) == 0 && (other || (!fresh && client_.login.refuse_replay))) {
        return entra_error(50027, "its jti has been seen before");
    }
    return std::nullopt;
}

}  // namespace postbearer::rehearsal
