// SPDX-License-Identifier: Apache-2.0
#include "pki.hh"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <array>
#include <string>

namespace postbearer::rehearsal {
namespace {

using Bio = Owned<BIO, BIO_free_all>;
using Extension = Owned<X509_EXTENSION, X509_EXTENSION_free>;
using BigNumber = Owned<BIGNUM, BN_free>;

constexpr long kHour = 3600;
constexpr long kLifetime = 30 * 24 * kHour;
constexpr const char* kServerNames =
    "DNS:localhost,DNS:smtp.office365.com,DNS:login.microsoftonline.com,"
    "DNS:login.microsoftonline.us,DNS:login.partner.microsoftonline.cn,DNS:graph.microsoft.com,"
    "DNS:graph.microsoft.us,DNS:accounts.google.com,DNS:oauth2.googleapis.com,IP:127.0.0.1";

std::string drain(const Bio& bio) {
    char* data = nullptr;
    const long length = BIO_get_mem_data(bio.get(), &data);
    return length > 0 ? std::string(data, static_cast<std::size_t>(length)) : std::string();
}

std::string to_pem(X509& certificate) {
    const Bio bio(BIO_new(BIO_s_mem()));
    (void)PEM_write_bio_X509(bio.get(), &certificate);  // empty text on failure, seen by callers
    return drain(bio);
}

bool add_extension(X509& certificate, X509* issuer, int nid, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, &certificate, nullptr, nullptr, 0);
    const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
    return extension && X509_add_ext(&certificate, extension.get(), -1) == 1;
}

bool set_random_serial(X509& certificate) {
    const BigNumber serial(BN_new());
    return serial && BN_rand(serial.get(), 120, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
           BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(&certificate)) != nullptr;
}

bool set_common_name(X509& certificate, const std::string& common_name) {
    return X509_NAME_add_entry_by_txt(X509_get_subject_name(&certificate), "CN", MBSTRING_UTF8,
                                      reinterpret_cast<const unsigned char*>(common_name.data()),
                                      static_cast<int>(common_name.size()), -1, 0) == 1;
}

/// Everything but the issuer, the extensions and the signature.
Certificate make_frame(const std::string& common_name, EVP_PKEY& key) {
    Certificate certificate(X509_new());
    const bool good =
        certificate && X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
        set_random_serial(*certificate) &&
        X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kHour) != nullptr &&
        X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kLifetime) != nullptr &&
        set_common_name(*certificate, common_name) && X509_set_pubkey(certificate.get(), &key) == 1;
    return good ? std::move(certificate) : nullptr;
}

}  // namespace

Key make_p256_key() { return Key(EVP_EC_gen("P-256")); }

Key make_rsa2048_key() { return Key(EVP_RSA_gen(2048)); }

std::string private_pem(EVP_PKEY& key) {
    const Bio bio(BIO_new(BIO_s_mem()));
    (void)PEM_write_bio_PrivateKey(bio.get(), &key, nullptr, nullptr, 0, nullptr, nullptr);
    return drain(bio);
}

std::string public_pem(EVP_PKEY& key) {
    const Bio bio(BIO_new(BIO_s_mem()));
    (void)PEM_write_bio_PUBKEY(bio.get(), &key);
    return drain(bio);
}

std::optional<Authority> Authority::make(const std::string& common_name) {
    Key key = make_p256_key();
    if (!key) {
        return std::nullopt;
    }
    Certificate ca = make_frame(common_name, *key);
    const bool good =
        ca && X509_set_issuer_name(ca.get(), X509_get_subject_name(ca.get())) == 1 &&
        add_extension(*ca, ca.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
        add_extension(*ca, ca.get(), NID_key_usage, "critical,keyCertSign,cRLSign") &&
        add_extension(*ca, ca.get(), NID_subject_key_identifier, "hash") &&
        add_extension(*ca, ca.get(), NID_authority_key_identifier, "keyid:always") &&
        X509_sign(ca.get(), key.get(), EVP_sha256()) > 0;
    if (!good) {
        return std::nullopt;
    }
    return Authority(std::move(key), std::move(ca));
}

std::string Authority::certificate_pem() const { return to_pem(*certificate_); }

std::optional<ServerIdentity> Authority::issue_server() const {
    const Key key = make_p256_key();
    if (!key) {
        return std::nullopt;
    }
    X509* const ca = certificate_.get();
    const Certificate server = make_frame("localhost", *key);
    const bool good = server && X509_set_issuer_name(server.get(), X509_get_subject_name(ca)) &&
                      add_extension(*server, ca, NID_basic_constraints, "critical,CA:FALSE") &&
                      add_extension(*server, ca, NID_key_usage, "critical,digitalSignature") &&
                      add_extension(*server, ca, NID_ext_key_usage, "serverAuth") &&
                      add_extension(*server, ca, NID_subject_key_identifier, "hash") &&
                      add_extension(*server, ca, NID_authority_key_identifier, "keyid:always") &&
                      add_extension(*server, ca, NID_subject_alt_name, kServerNames) &&
                      X509_sign(server.get(), key_.get(), EVP_sha256()) > 0;
    if (!good) {
        return std::nullopt;
    }
    return ServerIdentity{to_pem(*server), private_pem(*key)};
}

}  // namespace postbearer::rehearsal
