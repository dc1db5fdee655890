// SPDX-License-Identifier: Apache-2.0
#include "token-agent/credentials/signing_key.hh"

#include <openssl/err.h>
#include <openssl/pkcs12.h>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>

#include "common/base64.hh"
#include "tests/support/test_keys.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;

constexpr const char* kPassphrase = "S3ntinel passphrase";

std::string error_of(const KeyMaterial& material) {
    const auto loaded = load_certificate_key(material);
    BOOST_REQUIRE(!loaded.has_value());
    BOOST_TEST((loaded.error().code == Errc::Config));
    BOOST_TEST(loaded.error().context.find("S3ntinel") == std::string::npos);
    BOOST_TEST(::ERR_peek_error() == 0U);
    return loaded.error().context;
}

std::string without_mac(EVP_PKEY* key, const test::TestCertificate& certificate) {
    const Owned<PKCS12, PKCS12_free> archive(
        PKCS12_create("", "name", key, certificate.get(), nullptr, 0, 0, 0, -1, 0));
    BOOST_REQUIRE(archive != nullptr);
    unsigned char* out = nullptr;
    const int length = i2d_PKCS12(archive.get(), &out);
    BOOST_REQUIRE(length > 0);
    std::string text(reinterpret_cast<const char*>(out), static_cast<std::size_t>(length));
    OPENSSL_free(out);
    return text;
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(signing_key_test)

BOOST_AUTO_TEST_CASE(certificate_and_key_from_two_files) {
    const auto certificate = test::make_certificate(test::rsa_key(), {"mail.example"});
    const std::string pem = test::pem_of(certificate);
    const std::string key = test::pem_of(test::rsa_key());
    const auto loaded = load_certificate_key({pem, key, ""});
    BOOST_REQUIRE(loaded.has_value());
    const SigningKey& made = **loaded;
    BOOST_TEST((made.kind() == KeyKind::Rsa));
    BOOST_TEST(made.bits() == 2048);
    BOOST_REQUIRE(made.certificate().has_value());
    const CertificateFacts& facts = *made.certificate();
    BOOST_TEST(facts.subject == "CN=mail.example");
    BOOST_TEST((facts.not_before.time_since_epoch().count() == 1'700'000'000));
    BOOST_TEST((facts.not_after.time_since_epoch().count() == 2'000'000'000));

    // the thumbprints once more, from the certificate's bytes
    unsigned char* der = nullptr;
    const int length = i2d_X509(certificate.get(), &der);
    BOOST_REQUIRE(length > 0);
    unsigned char sha1[20];
    unsigned char sha256[32];
    BOOST_REQUIRE(
        EVP_Digest(der, static_cast<std::size_t>(length), sha1, nullptr, EVP_sha1(), nullptr) == 1);
    BOOST_REQUIRE(EVP_Digest(der, static_cast<std::size_t>(length), sha256, nullptr, EVP_sha256(),
                             nullptr) == 1);
    OPENSSL_free(der);
    const auto text = base64_decode(facts.x5t_s256);
    BOOST_REQUIRE(text.has_value());
    BOOST_TEST(view(*text) == std::string_view(reinterpret_cast<const char*>(sha256), 32));
    BOOST_TEST(facts.x5t_s256.find_first_of("+/=") == std::string::npos);
    BOOST_TEST(facts.x5t_s256.size() == 43U);
    BOOST_TEST(view(*base64_decode(facts.x5t)) ==
               std::string_view(reinterpret_cast<const char*>(sha1), 20));
    char hex[41];
    for (std::size_t i = 0; i < sizeof sha1; ++i) {
        std::snprintf(hex + 2 * i, 3, "%02X", static_cast<unsigned>(sha1[i]));
    }
    BOOST_TEST(facts.sha1 == hex);
    BOOST_TEST(made.name() == "certificate CN=mail.example (thumbprint " + facts.sha1 + ")");
}

BOOST_AUTO_TEST_CASE(everything_in_one_file) {
    const std::string both =
        test::pem_of(test::rsa_key()) + test::pem_of(test::make_certificate(test::rsa_key()));
    BOOST_TEST(load_certificate_key({both, "", ""}).has_value());
}

BOOST_AUTO_TEST_CASE(the_certificate_of_the_key_is_found_in_a_chain) {
    const std::string chain =
        test::pem_of(test::make_certificate(test::other_rsa_key(), {"the issuer"})) +
        test::pem_of(test::make_certificate(test::rsa_key(), {"ours"}));
    const std::string key = test::pem_of(test::rsa_key());
    const auto loaded = load_certificate_key({chain, key, ""});
    BOOST_REQUIRE(loaded.has_value());
    BOOST_TEST((*loaded)->certificate()->subject == "CN=ours");
}

BOOST_AUTO_TEST_CASE(an_encrypted_key_needs_its_passphrase) {
    const std::string pem = test::pem_of(test::make_certificate(test::rsa_key()));
    const std::string key = test::pem_of(test::rsa_key(), kPassphrase);
    BOOST_TEST(load_certificate_key({pem, key, kPassphrase}).has_value());
    BOOST_TEST(error_of({pem, key, ""}) ==
               "private_key: the key is encrypted: set private_key_passphrase");
    BOOST_TEST(error_of({pem, key, "another S3ntinel"}) ==
               "private_key_passphrase: it does not open private_key");
    const std::string endless(4096, 'x');  // more than OpenSSL has room for
    BOOST_TEST(error_of({pem, key, endless}) ==
               "private_key_passphrase: it does not open private_key");
}

BOOST_AUTO_TEST_CASE(a_passphrase_that_is_not_needed_does_no_harm) {
    const std::string pem = test::pem_of(test::make_certificate(test::rsa_key()));
    const std::string key = test::pem_of(test::rsa_key());
    BOOST_TEST(load_certificate_key({pem, key, kPassphrase}).has_value());
}

BOOST_AUTO_TEST_CASE(a_key_of_another_certificate_is_named_with_both) {
    const auto certificate = test::make_certificate(test::rsa_key(), {"one"});
    const std::string pem = test::pem_of(certificate);
    const std::string key = test::pem_of(test::rsa_key(3072));
    const std::string text = error_of({pem, key, ""});
    BOOST_TEST(text.find("private_key: does not belong to the certificate: CN=one (thumbprint ") ==
               0U);
    BOOST_TEST(contains(text, " has a 2048-bit RSA key with public key SHA-256 "));
    BOOST_TEST(contains(text, ", private_key is a 3072-bit RSA key with "));
}

BOOST_AUTO_TEST_CASE(weak_keys_are_refused) {
    const std::string rsa = test::pem_of(test::make_certificate(test::rsa_key(1024)));
    const std::string rsa_key = test::pem_of(test::rsa_key(1024));
    BOOST_TEST(error_of({rsa, rsa_key, ""}) ==
               "private_key: the key is RSA with 1024 bits; make one of at least 2048 bits");
    const std::string curve = test::pem_of(test::make_certificate(test::ec_key("P-384")));
    const std::string curve_key = test::pem_of(test::ec_key("P-384"));
    BOOST_TEST(error_of({curve, curve_key, ""}) ==
               "private_key: the key is a 384-bit EC key; use RSA of at least 2048 bits");
}

BOOST_AUTO_TEST_CASE(p256_is_taken) {
    const std::string pem = test::pem_of(test::make_certificate(test::ec_key()));
    const std::string key = test::pem_of(test::ec_key());
    const auto loaded = load_certificate_key({pem, key, ""});
    BOOST_REQUIRE(loaded.has_value());
    BOOST_TEST(((*loaded)->kind() == KeyKind::EcP256));
}

BOOST_AUTO_TEST_CASE(pkcs12_with_and_without_a_passphrase) {
    const auto certificate = test::make_certificate(test::rsa_key(), {"boxed"});
    for (const char* passphrase : {kPassphrase, ""}) {
        const std::string box = test::pkcs12_of(test::rsa_key(), certificate, passphrase);
        const auto loaded = load_certificate_key({box, "", passphrase});
        BOOST_REQUIRE(loaded.has_value());
        BOOST_TEST((*loaded)->certificate()->subject == "CN=boxed");
    }
    const std::string box = test::pkcs12_of(test::rsa_key(), certificate, kPassphrase);
    BOOST_TEST(error_of({box, "", ""}) ==
               "certificate: the PKCS#12 file is encrypted: set private_key_passphrase");
    BOOST_TEST(error_of({box, "", "another"}) ==
               "private_key_passphrase: it does not open the PKCS#12 file");
    const std::string key = test::pem_of(test::rsa_key());
    BOOST_TEST(error_of({box, key, kPassphrase}) ==
               "private_key: leave it out, the PKCS#12 file holds the key already");
}

BOOST_AUTO_TEST_CASE(pkcs12_that_nothing_vouches_for) {
    const std::string box =
        test::pkcs12_of(test::rsa_key(), test::make_certificate(test::rsa_key()), "");
    const auto* bytes = reinterpret_cast<const unsigned char*>(box.data());
    const Owned<PKCS12, PKCS12_free> archive(
        d2i_PKCS12(nullptr, &bytes, static_cast<long>(box.size())));
    BOOST_REQUIRE(archive != nullptr);
    const auto written = [&] {
        unsigned char* out = nullptr;
        const int length = i2d_PKCS12(archive.get(), &out);
        BOOST_REQUIRE(length > 0);
        std::string text(reinterpret_cast<const char*>(out), static_cast<std::size_t>(length));
        OPENSSL_free(out);
        return text;
    };
    const ASN1_INTEGER* rounds = nullptr;
    PKCS12_get0_mac(nullptr, nullptr, nullptr, &rounds, archive.get());
    BOOST_REQUIRE(rounds != nullptr);
    BOOST_REQUIRE(ASN1_INTEGER_set(const_cast<ASN1_INTEGER*>(rounds), 10'000'001) == 1);
    BOOST_TEST(contains(error_of({written(), "", ""}), "more than ten million rounds"));
    const std::string bare = without_mac(test::rsa_key(), test::make_certificate(test::rsa_key()));
    BOOST_TEST(contains(error_of({bare, "", ""}), "no check of its integrity"));
}

BOOST_AUTO_TEST_CASE(pkcs12_of_old_says_how_to_convert_it) {
    const std::string box = test::pkcs12_of(
        test::rsa_key(), test::make_certificate(test::rsa_key()), kPassphrase, true);
    BOOST_TEST(contains(error_of({box, "", kPassphrase}),
                        "openssl pkcs12 -legacy -in OLD.p12 -nodes | openssl pkcs12 -export"));
}

struct BadRow {
    const char* name;
    std::string certificate;
    std::string key;
    const char* error;
};
std::ostream& operator<<(std::ostream& out, const BadRow& row) { return out << row.name; }
const std::string kSome = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const BadRow kBad[] = {
    {"nothing", "", "", "certificate: it is neither PEM nor PKCS#12"},
    {"no file of ours", "S3ntinel", "", "certificate: it is neither PEM nor PKCS#12"},
    {"DER that ends early", "\x30\x82\x09", "", "certificate: it is neither PEM nor PKCS#12"},
    {"damaged PEM", kSome, "",
     "certificate: there is no certificate in it; expected PEM (-----BEGIN CERTIFICATE-----) or "
     "PKCS#12"},
};
BOOST_DATA_TEST_CASE(what_is_no_certificate, boost::unit_test::data::make(kBad), row) {
    BOOST_TEST(error_of({row.certificate, row.key, ""}) == row.error);
}

BOOST_AUTO_TEST_CASE(what_is_no_key) {
    const std::string pem = test::pem_of(test::make_certificate(test::rsa_key()));
    BOOST_TEST(error_of({pem, "", ""}) ==
               "certificate: its private key is not in the same file; set private_key");
    BOOST_TEST(error_of({pem, "S3ntinel", ""}) ==
               "private_key: expected PEM (-----BEGIN PRIVATE KEY-----)");
    BOOST_TEST(error_of({pem, pem, ""}) == "private_key: there is no usable private key in it");
    const std::string cut = test::pem_of(test::rsa_key()).substr(0, 200);
    BOOST_TEST(error_of({pem, cut, ""}) == "private_key: there is no usable private key in it");
}

BOOST_AUTO_TEST_CASE(a_bare_key) {
    const auto loaded = load_bare_key(test::pem_of(test::rsa_key()));
    BOOST_REQUIRE(loaded.has_value());
    BOOST_TEST(!(*loaded)->certificate().has_value());
    BOOST_TEST(!load_bare_key("S3ntinel").has_value());
    BOOST_TEST(!load_bare_key(test::pem_of(test::rsa_key(1024))).has_value());
}

BOOST_AUTO_TEST_CASE(subjects_are_printable) {
    const std::string pem = test::pem_of(
        test::make_certificate(test::rsa_key(), {"a\nb \xc3\xa4 " + std::string(50, 'x')}));
    const std::string key = test::pem_of(test::rsa_key());
    const auto loaded = load_certificate_key({pem, key, ""});
    BOOST_REQUIRE(loaded.has_value());
    const std::string& subject = (*loaded)->certificate()->subject;
    BOOST_TEST(subject.find('\n') == std::string::npos);
    BOOST_TEST(subject.size() <= 100U);
}

BOOST_AUTO_TEST_SUITE_END()
