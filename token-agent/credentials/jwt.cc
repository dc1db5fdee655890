// SPDX-License-Identifier: Apache-2.0
#include "token-agent/credentials/jwt.hh"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <optional>

#include "common/base64.hh"
#include "common/owned.hh"

namespace postbearer::agent {
namespace {

using DigestContext = Owned<EVP_MD_CTX, EVP_MD_CTX_free>;
using EcSignature = Owned<ECDSA_SIG, ECDSA_SIG_free>;

constexpr int kP256Bytes = 32;

void append_json_string(std::string& out, std::string_view text) {
    constexpr std::string_view kHex = "0123456789abcdef";
    out += '"';
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20) {
            out += "\\u00";
            out += kHex[byte >> 4U];
            out += kHex[byte & 0x0FU];
        } else {
            out += c;
        }
    }
    out += '"';
}

std::string to_json(const JwtMembers& members) {
    std::string out = "{";
    for (const auto& [name, value] : members) {
        out += out.size() > 1 ? "," : "";
        append_json_string(out, name);
        out += ':';
        if (const auto* const text = std::get_if<std::string>(&value)) {
            append_json_string(out, *text);
        } else {
            out += std::to_string(std::get<std::int64_t>(value));
        }
    }
    return out + "}";
}

bool fits(KeyKind kind, JwtAlgorithm algorithm) {
    return (kind == KeyKind::EcP256) == (algorithm == JwtAlgorithm::Es256);
}

bool set_padding(EVP_PKEY_CTX* context, JwtAlgorithm algorithm) {
    switch (algorithm) {
        case JwtAlgorithm::Ps256:  // RFC 7518 3.5: MGF1 with SHA-256, a salt as long as the hash
            return ::EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
                   ::EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
        case JwtAlgorithm::Rs256:
            return ::EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1;
        case JwtAlgorithm::Es256:
            break;
    }
    return true;
}

/// RFC 7518 3.4: both numbers at full length, one after the other, where OpenSSL has DER.
std::optional<WipedBytes> raw_ec_signature(const WipedBytes& der) {
    const auto* next = reinterpret_cast<const unsigned char*>(der.data());
    const EcSignature signature(::d2i_ECDSA_SIG(nullptr, &next, static_cast<long>(der.size())));
    WipedBytes raw(std::size_t{2} * kP256Bytes);
    auto* const out = reinterpret_cast<unsigned char*>(raw.data());
    if (!signature ||
        ::BN_bn2binpad(::ECDSA_SIG_get0_r(signature.get()), out, kP256Bytes) != kP256Bytes ||
        ::BN_bn2binpad(::ECDSA_SIG_get0_s(signature.get()), out + kP256Bytes, kP256Bytes) !=
            kP256Bytes) {
        return std::nullopt;
    }
    return raw;
}

std::optional<WipedBytes> signature_of(const SigningKey& key, JwtAlgorithm algorithm,
                                       std::string_view text) {
    const DigestContext digest(::EVP_MD_CTX_new());
    EVP_PKEY_CTX* context = nullptr;  // belongs to the digest
    if (!digest ||
        ::EVP_DigestSignInit(digest.get(), &context, ::EVP_sha256(), nullptr, key.native()) != 1 ||
        !set_padding(context, algorithm)) {
        return std::nullopt;
    }
    const auto* const bytes = reinterpret_cast<const unsigned char*>(text.data());
    std::size_t size = 0;
    if (::EVP_DigestSign(digest.get(), nullptr, &size, bytes, text.size()) != 1) {
        return std::nullopt;
    }
    WipedBytes signature(size);
    if (::EVP_DigestSign(digest.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                         bytes, text.size()) != 1) {
        return std::nullopt;
    }
    signature.resize(size);
    return algorithm == JwtAlgorithm::Es256 ? raw_ec_signature(signature)
                                            : std::optional(std::move(signature));
}

}  // namespace

std::string_view name_of(JwtAlgorithm algorithm) noexcept {
    switch (algorithm) {
        case JwtAlgorithm::Ps256:
            return "PS256";
        case JwtAlgorithm::Rs256:
            return "RS256";
        case JwtAlgorithm::Es256:
            break;
    }
    return "ES256";
}

Result<Secret> sign_jwt(const SigningKey& key, JwtAlgorithm algorithm,
                        const JwtMembers& more_header, const JwtMembers& claims) {
    if (!fits(key.kind(), algorithm)) {
        return failure(Errc::Internal,
                       "this key cannot sign with " + std::string(name_of(algorithm)));
    }
    JwtMembers header{{"alg", std::string(name_of(algorithm))}, {"typ", "JWT"}};
    header.insert(header.end(), more_header.begin(), more_header.end());
    WipedBytes token = base64url_encode(to_json(header));
    token.push_back('.');
    append(token, view(base64url_encode(to_json(claims))));
    const auto signature = signature_of(key, algorithm, view(token));
    ::ERR_clear_error();
    if (!signature) {
        return failure(Errc::Internal, "OpenSSL could not sign with this key");
    }
    token.push_back('.');
    append(token, view(base64url_encode(view(*signature))));
    return Secret(std::move(token));
}

}  // namespace postbearer::agent
