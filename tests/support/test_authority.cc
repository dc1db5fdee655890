// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_authority.hh"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace postbearer::test {
namespace {

void add_extension(X509& certificate, X509& issuer, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, &issuer, &certificate, nullptr, nullptr, 0);
    const Owned<X509_EXTENSION, X509_EXTENSION_free> extension(
        X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
    X509_add_ext(&certificate, extension.get(), -1);
}

OwnedCertificate blank(EVP_PKEY& key, const char* common_name, long serial) {
    OwnedCertificate certificate(X509_new());
    X509_set_version(certificate.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 24 * 3600);
    X509_set_pubkey(certificate.get(), &key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(common_name), -1, -1, 0);
    return certificate;
}

}  // namespace

TestAuthority::TestAuthority(const char* common_name) {
    ca_.key.reset(EVP_EC_gen("P-256"));
    ca_.certificate = blank(*ca_.key, common_name, 1);
    X509& ca = *ca_.certificate;
    X509_set_issuer_name(&ca, X509_get_subject_name(&ca));
    add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(ca, ca, NID_key_usage, "critical,keyCertSign");
    add_extension(ca, ca, NID_subject_key_identifier, "hash");
    X509_sign(&ca, ca_.key.get(), EVP_sha256());
}

TlsIdentity TestAuthority::issue(const std::string& names) const {
    TlsIdentity identity;
    identity.key.reset(EVP_EC_gen("P-256"));
    identity.certificate = blank(*identity.key, "test server", 2);
    X509& certificate = *identity.certificate;
    X509_set_issuer_name(&certificate, X509_get_subject_name(ca_.certificate.get()));
    add_extension(certificate, *ca_.certificate, NID_subject_alt_name, names);
    X509_sign(&certificate, ca_.key.get(), EVP_sha256());
    return identity;
}

std::string TestAuthority::pem() const {
    const Owned<BIO, BIO_free_all> bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(bio.get(), ca_.certificate.get());
    const char* text = nullptr;
    const long length = BIO_get_mem_data(bio.get(), &text);
    return {text, static_cast<std::size_t>(length)};
}

}  // namespace postbearer::test
