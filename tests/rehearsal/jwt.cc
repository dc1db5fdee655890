// SPDX-License-Identifier: Apache-2.0
#include "jwt.hh"

#include <openssl/bn.h>
#include <openssl/core_names.h>

#include "codec.hh"
#include "json.hh"

namespace postbearer::rehearsal {
namespace {

using DigestContext = Owned<EVP_MD_CTX, EVP_MD_CTX_free>;
using BigNumber = Owned<BIGNUM, BN_free>;

/// Big-endian without leading zeros, as JWK wants it.
std::string key_number(const EVP_PKEY& key, const char* name) {
    BIGNUM* raw = nullptr;
    if (EVP_PKEY_get_bn_param(&key, name, &raw) != 1) {
        return {};
    }
    const BigNumber number(raw);
    std::basic_string<unsigned char> bytes(static_cast<std::size_t>(BN_num_bytes(number.get())), 0);
    (void)BN_bn2bin(number.get(), bytes.data());  // returns the length asked for above
    return {bytes.begin(), bytes.end()};
}

const unsigned char* unsigned_data(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

std::optional<SigningKey> SigningKey::make() {
    Key key = make_rsa2048_key();
    if (!key) {
        return std::nullopt;
    }
    SigningKey signing(std::move(key));
    signing.kid_ = base64url(sha256(signing.spki_pem()).substr(0, 20));
    return signing;
}

Json::Value SigningKey::jwk() const {
    Json::Value key;
    key["kty"] = "RSA";
    key["use"] = "sig";
    key["alg"] = "RS256";
    key["kid"] = kid_;
    key["n"] = base64url(key_number(*key_, OSSL_PKEY_PARAM_RSA_N));
    key["e"] = base64url(key_number(*key_, OSSL_PKEY_PARAM_RSA_E));
    return key;
}

std::string SigningKey::sign(const Json::Value& claims, const Json::Value& header_changes) const {
    Json::Value header;
    header["typ"] = "JWT";
    header["alg"] = "RS256";
    header["kid"] = kid_;
    if (header_changes.isObject()) {
        for (const std::string& name : header_changes.getMemberNames()) {
            header[name] = header_changes[name];
        }
    }
    const std::string input = base64url(to_text(header)) + "." + base64url(to_text(claims));
    const DigestContext context(EVP_MD_CTX_new());
    std::size_t length = 0;
    if (!context ||
        EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) != 1 ||
        EVP_DigestSign(context.get(), nullptr, &length, unsigned_data(input), input.size()) != 1) {
        return {};
    }
    std::basic_string<unsigned char> signature(length, 0);
    if (EVP_DigestSign(context.get(), signature.data(), &length, unsigned_data(input),
                       input.size()) != 1) {
        return {};
    }
    return input + "." + base64url(std::string(signature.begin(), signature.end()));
}

bool SigningKey::verify(std::string_view signed_part, std::string_view signature) const {
    const DigestContext context(EVP_MD_CTX_new());
    return context &&
           EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) == 1 &&
           EVP_DigestVerify(context.get(), unsigned_data(signature), signature.size(),
                            unsigned_data(signed_part), signed_part.size()) == 1;
}

std::optional<Jwt> parse_jwt(std::string_view token) {
    const std::size_t first = token.find('.');
    const std::size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
    if (second == std::string_view::npos) {
        return std::nullopt;
    }
    const auto header = decode_base64url(token.substr(0, first));
    const auto claims = decode_base64url(token.substr(first + 1, second - first - 1));
    const auto signature = decode_base64url(token.substr(second + 1));
    if (!header || !claims || !signature) {
        return std::nullopt;
    }
    const auto header_json = parse_json(*header);
    const auto claims_json = parse_json(*claims);
    if (!header_json || !claims_json || !header_json->isObject() || !claims_json->isObject()) {
        return std::nullopt;
    }
    return Jwt{*header_json, *claims_json, std::string(token.substr(0, second)), *signature};
}

}  // namespace postbearer::rehearsal
