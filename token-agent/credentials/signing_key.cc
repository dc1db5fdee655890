// SPDX-License-Identifier: Apache-2.0
#include "token-agent/credentials/signing_key.hh"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>
#include <utility>

#include "common/base64.hh"
#include "common/text.hh"
#include "token-agent/credentials/key_parts.hh"

namespace postbearer::agent {
namespace {

constexpr int kLeastRsaBits = 2048;
constexpr std::size_t kMaxSubjectBytes = 100;

std::string hex(std::string_view bytes, std::string_view digits) {
    std::string out;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        out += digits[byte >> 4U];
        out += digits[byte & 0x0FU];
    }
    return out;
}

std::string url_text(std::string_view bytes) { return std::string(view(base64url_encode(bytes))); }

using Digest = std::array<unsigned char, EVP_MAX_MD_SIZE>;

/// Empty if OpenSSL cannot.
std::string digest_of(const X509& certificate, const EVP_MD* kind) {
    Digest digest{};
    unsigned length = 0;
    if (::X509_digest(&certificate, kind, digest.data(), &length) != 1) {
        return {};
    }
    return {reinterpret_cast<const char*>(digest.data()), length};
}

std::string public_key_digest(const EVP_PKEY* key) {
    unsigned char* der = nullptr;
    const int length = ::i2d_PUBKEY(key, &der);
    if (length <= 0) {
        return {};
    }
    const Owned<unsigned char, free_openssl> owner(der);
    Digest digest{};
    unsigned digest_length = 0;
    if (::EVP_Digest(der, static_cast<std::size_t>(length), digest.data(), &digest_length,
                     ::EVP_sha256(), nullptr) != 1) {
        return {};
    }
    return hex({reinterpret_cast<const char*>(digest.data()), digest_length}, "0123456789abcdef");
}

std::optional<WallTime> time_of(const ASN1_TIME* time) {
    std::tm parts{};
    if (time == nullptr || ::ASN1_TIME_to_tm(time, &parts) != 1) {
        return std::nullopt;
    }
    const std::chrono::sys_days day = std::chrono::year(parts.tm_year + 1900) /
                                      std::chrono::month(static_cast<unsigned>(parts.tm_mon + 1)) /
                                      std::chrono::day(static_cast<unsigned>(parts.tm_mday));
    return WallTime(day) + std::chrono::hours(parts.tm_hour) + std::chrono::minutes(parts.tm_min) +
           std::chrono::seconds(parts.tm_sec);
}

std::string subject_of(const X509& certificate) {
    const Bio out(::BIO_new(::BIO_s_mem()));
    constexpr unsigned long kFlags =
        XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB);
    if (!out ||
        ::X509_NAME_print_ex(out.get(), ::X509_get_subject_name(&certificate), 0, kFlags) < 0) {
        return {};
    }
    char* text = nullptr;
    const long length = ::BIO_get_mem_data(out.get(), &text);
    return length <= 0 ? std::string()
                       : printable({text, static_cast<std::size_t>(length)}, kMaxSubjectBytes);
}

Result<CertificateFacts> facts_of(const X509& certificate) {
    CertificateFacts facts;
    facts.subject = subject_of(certificate);
    const std::string sha1 = digest_of(certificate, ::EVP_sha1());
    const std::string sha256 = digest_of(certificate, ::EVP_sha256());
    const auto not_before = time_of(::X509_get0_notBefore(&certificate));
    const auto not_after = time_of(::X509_get0_notAfter(&certificate));
    ::ERR_clear_error();
    if (sha1.empty() || sha256.empty() || !not_before || !not_after) {
        return failure(Errc::Config, "certificate: it is malformed");
    }
    facts.sha1 = hex(sha1, "0123456789ABCDEF");
    facts.x5t = url_text(sha1);
    facts.x5t_s256 = url_text(sha256);
    facts.not_before = *not_before;
    facts.not_after = *not_after;
    return facts;
}

/// "2048-bit RSA key", "P-256 key", or what else it is.
std::string kind_text(const EVP_PKEY* key) {
    const std::string bits = std::to_string(::EVP_PKEY_get_bits(key));
    if (::EVP_PKEY_is_a(key, "RSA") == 1) {
        return bits + "-bit RSA key";
    }
    if (::EVP_PKEY_is_a(key, "EC") == 1) {
        return bits + "-bit EC key";
    }
    const char* const name = ::EVP_PKEY_get0_type_name(key);
    return (name == nullptr ? std::string("unknown") : printable(name, 20)) + " key";
}

Result<KeyKind> usable_kind(const EVP_PKEY* key) {
    if (::EVP_PKEY_is_a(key, "RSA") == 1) {
        if (const int bits = ::EVP_PKEY_get_bits(key); bits < kLeastRsaBits) {
            return failure(Errc::Config, "private_key: the key is RSA with " +
                                             std::to_string(bits) +
                                             " bits; make one of at least 2048 bits");
        }
        return KeyKind::Rsa;
    }
    std::array<char, 40> group{};
    if (::EVP_PKEY_is_a(key, "EC") == 1 &&
        ::EVP_PKEY_get_group_name(key, group.data(), group.size(), nullptr) == 1 &&
        std::strcmp(group.data(), "prime256v1") == 0) {
        return KeyKind::EcP256;
    }
    return failure(Errc::Config, "private_key: the key is a " + kind_text(key) +
                                     "; use RSA of at least 2048 bits");
}

Result<SharedKey> finish(KeyOwner key, const X509* certificate) {
    const auto kind = usable_kind(key.get());
    std::string digest = public_key_digest(key.get());
    const int bits = ::EVP_PKEY_get_bits(key.get());
    ::ERR_clear_error();
    if (!kind) {
        return tl::unexpected(kind.error());
    }
    if (digest.empty()) {
        return failure(Errc::Config, "private_key: it is malformed");
    }
    std::optional<CertificateFacts> facts;
    if (certificate != nullptr) {
        auto read = facts_of(*certificate);
        if (!read) {
            return tl::unexpected(std::move(read.error()));
        }
        facts = std::move(*read);
    }
    return std::make_shared<const SigningKey>(std::move(key), *kind, bits, std::move(digest),
                                              std::move(facts));
}

Error mismatch(const X509& certificate, const EVP_PKEY* key) {
    const auto facts = facts_of(certificate);
    const EVP_PKEY* const wanted = ::X509_get0_pubkey(&certificate);
    std::string text = "private_key: does not belong to the certificate: ";
    text += facts ? facts->subject + " (thumbprint " + facts->sha1 + ")" : "the certificate";
    text += wanted == nullptr ? std::string(" has a key that cannot be read")
                              : " has a " + kind_text(wanted) + " with public key SHA-256 " +
                                    public_key_digest(wanted).substr(0, 16);
    text +=
        ", private_key is a " + kind_text(key) + " with " + public_key_digest(key).substr(0, 16);
    ::ERR_clear_error();
    return {Errc::Config, std::move(text)};
}

}  // namespace

SigningKey::SigningKey(KeyOwner key, KeyKind kind, int bits, std::string public_key,
                       std::optional<CertificateFacts> certificate)
    : key_(std::move(key)),
      kind_(kind),
      bits_(bits),
      public_key_(std::move(public_key)),
      certificate_(std::move(certificate)) {}

std::string SigningKey::name() const {
    return certificate_
               ? "certificate " + certificate_->subject + " (thumbprint " + certificate_->sha1 + ")"
               : "private key with public key SHA-256 " + public_key_.substr(0, 16);
}

Result<SharedKey> load_certificate_key(const KeyMaterial& material) {
    auto parts = read_key_parts(material);
    if (!parts) {
        return tl::unexpected(std::move(parts.error()));
    }
    for (const CertificateOwner& certificate : parts->certificates) {
        const EVP_PKEY* const wanted = ::X509_get0_pubkey(certificate.get());
        if (wanted != nullptr && ::EVP_PKEY_eq(wanted, parts->key.get()) == 1) {
            return finish(std::move(parts->key), certificate.get());
        }
    }
    return tl::unexpected(mismatch(*parts->certificates.front(), parts->key.get()));
}

Result<SharedKey> load_bare_key(std::string_view pem) {
    auto key = read_private_key(pem, {}, "private_key");
    if (!key) {
        return tl::unexpected(std::move(key.error()));
    }
    return finish(std::move(*key), nullptr);
}

}  // namespace postbearer::agent
