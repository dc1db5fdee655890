// SPDX-License-Identifier: Apache-2.0
#include "token-agent/issued_token.hh"

#include <openssl/evp.h>

#include <array>
#include <cassert>

namespace postbearer::agent {

std::string fingerprint_of(const Secret& token) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int length = 0;
    const std::string_view text = token.reveal();
    const int done =
        EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_sha256(), nullptr);
    assert(done == 1 && length >= 4);
    (void)done;
    constexpr std::string_view kHex = "0123456789abcdef";
    std::string out;
    for (std::size_t i = 0; i < 4; ++i) {
        out += kHex[digest[i] >> 4U];
        out += kHex[digest[i] & 0x0FU];
    }
    return out;
}

}  // namespace postbearer::agent
