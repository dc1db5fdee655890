// SPDX-License-Identifier: Apache-2.0
// Certificates and private keys in PEM and PKCS#12, federated tokens, and Google's JSON key files.
// Byte 0 says which. No private key is in the corpus: where one is needed to get further, it is
// made here, and `@KEY@` in a JSON file stands for it.
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stddef.h>
#include <stdint.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "common/text.hh"
#include "token-agent/credentials/federated_token.hh"
#include "token-agent/credentials/jwt.hh"
#include "token-agent/credentials/service_account.hh"
#include "token-agent/credentials/signing_key.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;

constexpr std::string_view kPassphrase = "fuzz-passphrase";

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

const std::string& key_pem() {
    static const std::string made = [] {
        const Owned<EVP_PKEY, EVP_PKEY_free> key(EVP_RSA_gen(2048));
        const Owned<BIO, BIO_free_all> bio(BIO_new(BIO_s_mem()));
        require(key != nullptr && bio != nullptr &&
                PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                              nullptr) == 1);
        char* text = nullptr;
        const long length = BIO_get_mem_data(bio.get(), &text);
        return std::string(text, static_cast<std::size_t>(length));
    }();
    return made;
}

void check_error(const Error& error) {
    require(error.code == Errc::Config);
    require(is_plain_utf8(error.context));
    require(error.context.find(kPassphrase) == std::string::npos);
    require(ERR_peek_error() == 0);
}

void check_key(const Result<SharedKey>& loaded) {
    if (!loaded) {
        check_error(loaded.error());
        return;
    }
    const SigningKey& key = **loaded;
    require(is_plain_utf8(key.name()));
    const JwtAlgorithm algorithm =
        key.kind() == KeyKind::Rsa ? JwtAlgorithm::Rs256 : JwtAlgorithm::Es256;
    (void)sign_jwt(key, algorithm, {}, {{"a", "b"}});  // a key may be well-formed and yet wrong
    require(ERR_peek_error() == 0);
}

void try_pair(std::string_view text) {
    const std::size_t cut = text.find('\f');
    KeyMaterial material;
    material.certificate = text.substr(0, cut);
    material.private_key = cut == std::string_view::npos ? "" : text.substr(cut + 1);
    // An encrypted PKCS#8 key names its own number of rounds, and nothing vouches for that.
    if (text.find("ENCRYPTED PRIVATE") == std::string_view::npos) {
        material.passphrase = kPassphrase;
    }
    check_key(load_certificate_key(material));
}

void try_service_account(std::string text, bool loopback) {
    constexpr std::string_view kMark = "@KEY@";
    if (const std::size_t at = text.find(kMark); at != std::string::npos) {
        std::string escaped;
        for (const char c : key_pem()) {
            escaped += c == '\n' ? std::string("\\n") : std::string(1, c);
        }
        text.replace(at, kMark.size(), escaped);
    }
    const auto account = parse_service_account(text, loopback);
    if (!account) {
        check_error(account.error());
        return;
    }
    const auto assertion = make_service_assertion(**account, "a@b.example", "scope",
                                                  WallTime(std::chrono::seconds(1'800'000'000)));
    require(assertion.has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 1) {
        return 0;
    }
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 5) {
        case 0:
            try_pair(text);
            break;
        case 1:
            check_key(load_certificate_key({text, key_pem(), {}}));
            break;
        case 2:
            check_key(load_bare_key(text));
            break;
        case 3:
            require(is_plain_utf8(presented_claims(text)));
            break;
        default:
            try_service_account(std::string(text), (data[0] & 0x80U) != 0);
            break;
    }
    return 0;
}
