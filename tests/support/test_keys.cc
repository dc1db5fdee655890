// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_keys.hh"

#include <openssl/bio.h>
#include <openssl/ecdsa.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>

#include <map>

#include "common/base64.hh"
#include "tests/support/failure.hh"

namespace postbearer::test {
namespace {

using Bio = Owned<BIO, BIO_free_all>;

void require(bool good, const char* what) {
    if (!good) {
        throw TestFailure(std::string("OpenSSL: ") + what);
    }
}

std::string content(const Bio& bio) {
    char* text = nullptr;
    const long length = BIO_get_mem_data(bio.get(), &text);
    return {text, static_cast<std::size_t>(length)};
}

Bio new_bio() {
    Bio bio(BIO_new(BIO_s_mem()));
    require(bio != nullptr, "no memory");
    return bio;
}

std::string decoded(std::string_view text) {
    require(text.find_first_of("+/=") == std::string_view::npos, "not unpadded base64url");
    const auto bytes = base64_decode(text);
    require(bytes.has_value(), "no base64url");
    return std::string(view(*bytes));
}

/// JOSE's two numbers side by side to DER.
std::string der_signature(const std::string& raw) {
    require(raw.size() == 64, "an ES256 signature has 64 bytes");
    const auto* const bytes = reinterpret_cast<const unsigned char*>(raw.data());
    const Owned<ECDSA_SIG, ECDSA_SIG_free> signature(ECDSA_SIG_new());
    require(ECDSA_SIG_set0(signature.get(), BN_bin2bn(bytes, 32, nullptr),
                           BN_bin2bn(bytes + 32, 32, nullptr)) == 1,
            "ECDSA_SIG_set0");
    unsigned char* out = nullptr;
    const int length = i2d_ECDSA_SIG(signature.get(), &out);
    require(length > 0, "i2d_ECDSA_SIG");
    std::string der(reinterpret_cast<const char*>(out), static_cast<std::size_t>(length));
    OPENSSL_free(out);
    return der;
}

}  // namespace

EVP_PKEY* rsa_key(unsigned bits) {
    static std::map<unsigned, TestKey> keys;
    TestKey& key = keys[bits];
    if (key == nullptr) {
        key.reset(EVP_RSA_gen(bits));
        require(key != nullptr, "EVP_RSA_gen");
    }
    return key.get();
}

EVP_PKEY* other_rsa_key() {
    static const TestKey key(EVP_RSA_gen(2048));
    require(key != nullptr, "EVP_RSA_gen");
    return key.get();
}

EVP_PKEY* ec_key(const char* curve) {
    static std::map<std::string, TestKey> keys;
    TestKey& key = keys[curve];
    if (key == nullptr) {
        key.reset(EVP_EC_gen(curve));
        require(key != nullptr, "EVP_EC_gen");
    }
    return key.get();
}

TestCertificate make_certificate(EVP_PKEY* key, const CertificateWish& wish) {
    TestCertificate certificate(X509_new());
    require(certificate != nullptr, "no memory");
    X509_set_version(certificate.get(), 2);
    static long serial = 0;
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), ++serial);
    require(ASN1_TIME_set(X509_getm_notBefore(certificate.get()),
                          wish.not_before.time_since_epoch().count()) != nullptr &&
                ASN1_TIME_set(X509_getm_notAfter(certificate.get()),
                              wish.not_after.time_since_epoch().count()) != nullptr,
            "ASN1_TIME_set");
    X509_NAME* const name = X509_get_subject_name(certificate.get());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(wish.common_name.c_str()),
                               static_cast<int>(wish.common_name.size()), -1, 0);
    X509_set_issuer_name(certificate.get(), name);
    X509_set_pubkey(certificate.get(), key);
    require(X509_sign(certificate.get(), key, EVP_sha256()) > 0, "X509_sign");
    return certificate;
}

std::string pem_of(const TestCertificate& certificate) {
    const Bio bio = new_bio();
    require(PEM_write_bio_X509(bio.get(), certificate.get()) == 1, "PEM_write_bio_X509");
    return content(bio);
}

std::string pem_of(EVP_PKEY* key, const std::string& passphrase) {
    const Bio bio = new_bio();
    const bool encrypted = !passphrase.empty();
    require(
        PEM_write_bio_PKCS8PrivateKey(bio.get(), key, encrypted ? EVP_aes_256_cbc() : nullptr,
                                      encrypted ? passphrase.c_str() : nullptr,
                                      static_cast<int>(passphrase.size()), nullptr, nullptr) == 1,
        "PEM_write_bio_PKCS8PrivateKey");
    return content(bio);
}

std::string public_pem_of(EVP_PKEY* key) {
    const Bio bio = new_bio();
    require(PEM_write_bio_PUBKEY(bio.get(), key) == 1, "PEM_write_bio_PUBKEY");
    return content(bio);
}

std::string pkcs12_of(EVP_PKEY* key, const TestCertificate& certificate,
                      const std::string& passphrase, bool legacy) {
    // A context of its own: what is loaded for it must not help the code under test.
    const Owned<OSSL_LIB_CTX, OSSL_LIB_CTX_free> context(OSSL_LIB_CTX_new());
    using Provider = Owned<OSSL_PROVIDER, OSSL_PROVIDER_unload>;
    const Provider usual(OSSL_PROVIDER_load(context.get(), "default"));
    const Provider old(legacy ? OSSL_PROVIDER_load(context.get(), "legacy") : nullptr);
    require(usual != nullptr && (!legacy || old != nullptr), "a provider is missing");
    const Owned<PKCS12, PKCS12_free> archive(PKCS12_create_ex(
        passphrase.c_str(), "name", key, certificate.get(), nullptr,
        legacy ? NID_pbe_WithSHA1And3_Key_TripleDES_CBC : 0,
        legacy ? NID_pbe_WithSHA1And40BitRC2_CBC : 0, 0, 0, 0, context.get(), nullptr));
    require(archive != nullptr, "PKCS12_create");
    const Bio bio = new_bio();
    require(i2d_PKCS12_bio(bio.get(), archive.get()) == 1, "i2d_PKCS12_bio");
    return content(bio);
}

JwtParts split_jwt(std::string_view token) {
    const std::size_t first = token.find('.');
    const std::size_t second = token.rfind('.');
    require(first != std::string_view::npos && second > first, "no JWT");
    JwtParts parts;
    parts.header = decoded(token.substr(0, first));
    parts.payload = decoded(token.substr(first + 1, second - first - 1));
    parts.signed_text = std::string(token.substr(0, second));
    parts.signature = decoded(token.substr(second + 1));
    return parts;
}

bool is_signed_by(const JwtParts& jwt, EVP_PKEY* key, std::string_view algorithm) {
    if (jwt.header.find("\"alg\":\"" + std::string(algorithm) + "\"") == std::string::npos) {
        return false;
    }
    const Owned<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
    EVP_PKEY_CTX* settings = nullptr;
    require(EVP_DigestVerifyInit(context.get(), &settings, EVP_sha256(), nullptr, key) == 1,
            "EVP_DigestVerifyInit");
    if (algorithm == "PS256") {
        require(EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING) == 1 &&
                    EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, 32) == 1,
                "PSS");
    }
    const std::string signature =
        algorithm == "ES256" ? der_signature(jwt.signature) : jwt.signature;
    return EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                            signature.size(),
                            reinterpret_cast<const unsigned char*>(jwt.signed_text.data()),
                            jwt.signed_text.size()) == 1;
}

std::string rs256_jwt(std::string_view claims, EVP_PKEY* key) {
    const auto coded = [](std::string_view text) {
        return std::string(view(base64url_encode(text)));
    };
    const std::string text = coded(R"({"alg":"RS256","typ":"JWT"})") + "." + coded(claims);
    const Owned<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
    unsigned char signature[1024];
    std::size_t length = sizeof signature;
    require(
        EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
            EVP_DigestSign(context.get(), signature, &length,
                           reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1,
        "EVP_DigestSign");
    return text + "." + coded({reinterpret_cast<const char*>(signature), length});
}

std::string sha256_hex(std::string_view bytes) {
    unsigned char digest[32];
    unsigned length = 0;
    require(EVP_Digest(bytes.data(), bytes.size(), digest, &length, EVP_sha256(), nullptr) == 1,
            "EVP_Digest");
    constexpr std::string_view kHex = "0123456789abcdef";
    std::string out;
    for (const unsigned char byte : digest) {
        out += kHex[byte >> 4U];
        out += kHex[byte & 0x0FU];
    }
    return out;
}

}  // namespace postbearer::test
