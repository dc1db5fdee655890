// SPDX-License-Identifier: Apache-2.0
#include "token-agent/store/aead.hh"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <array>
#include <cassert>
#include <limits>

#include "common/owned.hh"

namespace postbearer::agent {
namespace {

using CipherContext = Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;  // free wipes the key schedule
using Kdf = Owned<EVP_KDF, EVP_KDF_free>;
using KdfContext = Owned<EVP_KDF_CTX, EVP_KDF_CTX_free>;

constexpr std::size_t kMostBytes = 1U << 30U;  // EVP counts in int

const unsigned char* bytes_of(std::string_view text) noexcept {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): OpenSSL's bytes are unsigned
    return reinterpret_cast<const unsigned char*>(text.data());
}

unsigned char* bytes_of(char* text) noexcept {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): OpenSSL's bytes are unsigned
    return reinterpret_cast<unsigned char*>(text);
}

int length_of(std::string_view text) noexcept { return static_cast<int>(text.size()); }

tl::unexpected<Error> refused(const char* what) {
    return failure(Errc::Internal, std::string("OpenSSL cannot ") + what);
}

OSSL_PARAM octets(const char* name, std::string_view value) noexcept {
    if (value.empty()) {
        value = "";  // OpenSSL refuses a null pointer, whatever its length
    }
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): OpenSSL only reads it
    return ::OSSL_PARAM_construct_octet_string(name, const_cast<char*>(value.data()), value.size());
}

}  // namespace

Result<std::string> aead_seal(std::string_view key, std::string_view nonce, std::string_view aad,
                              std::string_view plain) {
    assert(key.size() == kAeadKeyBytes && nonce.size() == kAeadNonceBytes);
    if (plain.size() > kMostBytes || aad.size() > kMostBytes) {
        return failure(Errc::Internal, "too much to seal at once");
    }
    const CipherContext context(::EVP_CIPHER_CTX_new());
    std::string out(plain.size() + kAeadTagBytes, '\0');
    int length = 0;
    int ended = 0;
    if (!context ||
        ::EVP_EncryptInit_ex2(context.get(), ::EVP_aes_256_gcm(), bytes_of(key), bytes_of(nonce),
                              nullptr) != 1 ||
        ::EVP_EncryptUpdate(context.get(), nullptr, &length, bytes_of(aad), length_of(aad)) != 1 ||
        ::EVP_EncryptUpdate(context.get(), bytes_of(out.data()), &length, bytes_of(plain),
                            length_of(plain)) != 1 ||
        ::EVP_EncryptFinal_ex(context.get(), bytes_of(out.data()) + length, &ended) != 1 ||
        ::EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kAeadTagBytes,
                              out.data() + plain.size()) != 1) {
        return refused("encrypt");
    }
    return out;
}

Result<Secret> aead_open(std::string_view key, std::string_view nonce, std::string_view aad,
                         std::string_view sealed) {
    assert(key.size() == kAeadKeyBytes && nonce.size() == kAeadNonceBytes);
    if (sealed.size() < kAeadTagBytes || sealed.size() > kMostBytes || aad.size() > kMostBytes) {
        return failure(Errc::Protocol, "has no size that was ever sealed");
    }
    const std::string_view text = sealed.substr(0, sealed.size() - kAeadTagBytes);
    std::array<char, kAeadTagBytes> tag{};
    sealed.substr(text.size()).copy(tag.data(), tag.size());
    const CipherContext context(::EVP_CIPHER_CTX_new());
    WipedBytes plain(text.size() + 1);  // one more, so that data() is never null
    int length = 0;
    int ended = 0;
    if (!context ||
        ::EVP_DecryptInit_ex2(context.get(), ::EVP_aes_256_gcm(), bytes_of(key), bytes_of(nonce),
                              nullptr) != 1 ||
        ::EVP_DecryptUpdate(context.get(), nullptr, &length, bytes_of(aad), length_of(aad)) != 1 ||
        ::EVP_DecryptUpdate(context.get(), bytes_of(plain.data()), &length, bytes_of(text),
                            length_of(text)) != 1 ||
        ::EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kAeadTagBytes, tag.data()) !=
            1) {
        return refused("decrypt");
    }
    if (::EVP_DecryptFinal_ex(context.get(), bytes_of(plain.data()) + length, &ended) != 1) {
        return failure(Errc::Protocol, "is not what was sealed");
    }
    plain.resize(text.size());
    return Secret(std::move(plain));
}

Result<WipedBytes> hkdf_sha256(std::string_view key, std::string_view salt, std::string_view info,
                               std::size_t size) {
    const Kdf kdf(::EVP_KDF_fetch(nullptr, "HKDF", nullptr));
    const KdfContext context(kdf ? ::EVP_KDF_CTX_new(kdf.get()) : nullptr);
    std::array<char, 7> digest{"SHA256"};
    const OSSL_PARAM parameters[] = {
        ::OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
        octets(OSSL_KDF_PARAM_KEY, key), octets(OSSL_KDF_PARAM_SALT, salt),
        octets(OSSL_KDF_PARAM_INFO, info), ::OSSL_PARAM_construct_end()};
    WipedBytes out(size);
    if (!context ||
        ::EVP_KDF_derive(context.get(), bytes_of(out.data()), out.size(), parameters) != 1) {
        return refused("derive a key");
    }
    return out;
}

Result<std::string> hmac_sha256(std::string_view key, std::string_view text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    if (::HMAC(::EVP_sha256(), key.data(), length_of(key), bytes_of(text), text.size(),
               digest.data(), &length) == nullptr) {
        return refused("compute an HMAC");
    }
    return std::string(digest.begin(), digest.begin() + length);
}

Result<std::string> sha256(std::string_view text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    if (::EVP_Digest(text.data(), text.size(), digest.data(), &length, ::EVP_sha256(), nullptr) !=
        1) {
        return refused("compute a digest");
    }
    return std::string(digest.begin(), digest.begin() + length);
}

Result<WipedBytes> random_bytes(std::size_t size) {
    assert(size <= static_cast<std::size_t>(std::numeric_limits<int>::max()));
    WipedBytes out(size);
    if (::RAND_bytes(bytes_of(out.data()), static_cast<int>(size)) != 1) {
        return refused("get random bytes");
    }
    return out;
}

std::string hex(std::string_view bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string out;
    out.reserve(bytes.size() * 2);
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        out += kDigits[byte >> 4U];
        out += kDigits[byte & 15U];
    }
    return out;
}

}  // namespace postbearer::agent
