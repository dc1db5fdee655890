// SPDX-License-Identifier: Apache-2.0
#include "token-agent/credentials/key_parts.hh"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <string>
#include <utility>

#include "common/secret.hh"

namespace postbearer::agent {
namespace {

constexpr std::size_t kMaxBytes = 1024 * 1024;
constexpr std::size_t kMaxCertificates = 16;
constexpr long kMaxRounds = 10'000'000;

using Pkcs12 = Owned<PKCS12, PKCS12_free>;

void free_stack(STACK_OF(X509) * stack) noexcept { sk_X509_pop_free(stack, X509_free); }
using CertificateStack = Owned<STACK_OF(X509), free_stack>;

struct Passphrase {
    std::string_view text;
    bool asked = false;  // something was encrypted
};

/// OpenSSL asks here instead of at the terminal.
int give_passphrase(char* buffer, int size, int /*writing*/, void* user) noexcept {
    auto& passphrase = *static_cast<Passphrase*>(user);
    passphrase.asked = true;
    if (size < 0 || passphrase.text.empty() ||
        passphrase.text.size() > static_cast<std::size_t>(size)) {
        return -1;
    }
    std::memcpy(buffer, passphrase.text.data(), passphrase.text.size());
    return static_cast<int>(passphrase.text.size());
}

/// Null if the text is too long for OpenSSL or memory is short.
Bio memory_bio(std::string_view text) {
    return Bio(text.size() > kMaxBytes
                   ? nullptr
                   : ::BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

bool is_pem(std::string_view text) { return text.find("-----BEGIN ") != std::string_view::npos; }

std::vector<CertificateOwner> read_certificates(std::string_view pem) {
    std::vector<CertificateOwner> found;
    const Bio bio = memory_bio(pem);
    while (bio && found.size() < kMaxCertificates) {
        CertificateOwner certificate(::PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
        if (!certificate) {
            break;
        }
        found.push_back(std::move(certificate));
    }
    ::ERR_clear_error();
    return found;
}

Result<KeyParts> read_pem_parts(const KeyMaterial& material) {
    KeyParts parts;
    parts.certificates = read_certificates(material.certificate);
    if (parts.certificates.empty()) {
        return failure(Errc::Config,
                       "certificate: there is no certificate in it; expected PEM "
                       "(-----BEGIN CERTIFICATE-----) or PKCS#12");
    }
    const bool apart = !material.private_key.empty();
    if (!apart && material.certificate.find("PRIVATE KEY-----") == std::string_view::npos) {
        return failure(Errc::Config,
                       "certificate: its private key is not in the same file; set private_key");
    }
    auto key = read_private_key(apart ? material.private_key : material.certificate,
                                material.passphrase, apart ? "private_key" : "certificate");
    if (!key) {
        return tl::unexpected(std::move(key.error()));
    }
    parts.key = std::move(*key);
    return parts;
}

/// The top of OpenSSL's queue says whether an algorithm was missing.
bool an_algorithm_is_missing() {
    bool missing = false;
    while (const unsigned long code = ::ERR_get_error()) {
        const int reason = ERR_GET_REASON(code);
        missing = missing || reason == ERR_R_UNSUPPORTED || reason == EVP_R_UNSUPPORTED_ALGORITHM ||
                  reason == EVP_R_UNKNOWN_CIPHER || reason == EVP_R_UNSUPPORTED_CIPHER;
    }
    return missing;
}

/// Whoever made the file chose how long it takes to check it, and a start must not take minutes.
bool takes_too_long(const PKCS12* archive) {
    const ASN1_INTEGER* rounds = nullptr;
    ::PKCS12_get0_mac(nullptr, nullptr, nullptr, &rounds, archive);
    return rounds != nullptr &&
           (::ASN1_INTEGER_get(rounds) < 0 || ::ASN1_INTEGER_get(rounds) > kMaxRounds);
}

/// `passphrase` ends in a NUL, as PKCS12_parse() wants it.
bool opens(PKCS12* archive, const WipedBytes& passphrase) {
    return ::PKCS12_verify_mac(archive, passphrase.data(), -1) == 1 ||
           (passphrase.size() == 1 && ::PKCS12_verify_mac(archive, nullptr, 0) == 1);
}

Result<KeyParts> unpack(PKCS12* archive, const WipedBytes& passphrase) {
    EVP_PKEY* raw_key = nullptr;
    X509* raw_certificate = nullptr;
    STACK_OF(X509)* raw_others = nullptr;
    const int parsed =
        ::PKCS12_parse(archive, passphrase.data(), &raw_key, &raw_certificate, &raw_others);
    KeyOwner key(raw_key);
    CertificateOwner certificate(raw_certificate);
    const CertificateStack others(raw_others);
    if (parsed != 1) {
        return failure(
            Errc::Config,
            an_algorithm_is_missing()
                ? "certificate: this PKCS#12 file uses algorithms of old (RC2, 3DES). Convert it: "
                  "openssl pkcs12 -legacy -in OLD.p12 -nodes | openssl pkcs12 -export -out NEW.p12"
                : "certificate: this PKCS#12 file is damaged, or private_key_passphrase is wrong");
    }
    if (!key || !certificate) {
        return failure(Errc::Config,
                       "certificate: the PKCS#12 file must hold a private key and its certificate");
    }
    KeyParts parts;
    parts.key = std::move(key);
    parts.certificates.push_back(std::move(certificate));
    return parts;
}

Result<KeyParts> read_pkcs12_parts(const KeyMaterial& material) {
    const Bio bio = memory_bio(material.certificate);
    const Pkcs12 archive(bio ? ::d2i_PKCS12_bio(bio.get(), nullptr) : nullptr);
    if (!archive) {
        ::ERR_clear_error();
        return failure(Errc::Config, "certificate: it is neither PEM nor PKCS#12");
    }
    if (!material.private_key.empty()) {
        return failure(Errc::Config,
                       "private_key: leave it out, the PKCS#12 file holds the key already");
    }
    if (::PKCS12_mac_present(archive.get()) == 0) {
        return failure(Errc::Config,
                       "certificate: the PKCS#12 file has no check of its integrity; make it anew "
                       "without -nomac");
    }
    if (takes_too_long(archive.get())) {
        return failure(Errc::Config,
                       "certificate: the PKCS#12 file asks for more than ten million rounds");
    }
    WipedBytes passphrase;
    append(passphrase, material.passphrase);
    passphrase.push_back('\0');
    const bool open = opens(archive.get(), passphrase);
    ::ERR_clear_error();
    if (!open) {
        return failure(Errc::Config, material.passphrase.empty()
                                         ? "certificate: the PKCS#12 file is encrypted: set "
                                           "private_key_passphrase"
                                         : "private_key_passphrase: it does not open the PKCS#12 "
                                           "file");
    }
    auto parts = unpack(archive.get(), passphrase);
    ::ERR_clear_error();
    return parts;
}

}  // namespace

Result<KeyOwner> read_private_key(std::string_view pem, std::string_view passphrase,
                                  std::string_view what) {
    Passphrase given{passphrase};
    const Bio bio = memory_bio(pem);
    KeyOwner key(bio ? ::PEM_read_bio_PrivateKey(bio.get(), nullptr, give_passphrase, &given)
                     : nullptr);
    const bool missing = an_algorithm_is_missing();
    if (key) {
        return key;
    }
    const std::string name(what);
    if (!is_pem(pem)) {
        return failure(Errc::Config, name + ": expected PEM (-----BEGIN PRIVATE KEY-----)");
    }
    if (given.asked && passphrase.empty()) {
        return failure(Errc::Config, name + ": the key is encrypted: set private_key_passphrase");
    }
    if (given.asked && missing) {
        return failure(Errc::Config, name +
                                         ": the key is encrypted with an algorithm of old. "
                                         "Convert it: openssl pkcs8 -topk8 -v2 aes-256-cbc "
                                         "-provider legacy -provider default -in OLD.pem "
                                         "-out NEW.pem");
    }
    if (given.asked) {
        return failure(Errc::Config, "private_key_passphrase: it does not open " + name);
    }
    return failure(Errc::Config, name + ": there is no usable private key in it");
}

Result<KeyParts> read_key_parts(const KeyMaterial& material) {
    ::ERR_clear_error();
    return is_pem(material.certificate) ? read_pem_parts(material) : read_pkcs12_parts(material);
}

}  // namespace postbearer::agent
