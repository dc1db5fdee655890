// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/pkce.hh"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include <array>
#include <cassert>

#include "common/base64.hh"

namespace postbearer::agent {

WipedBytes base64url(std::string_view bytes) {
    WipedBytes text = base64_encode(bytes);
    while (!text.empty() && text.back() == '=') {
        text.pop_back();
    }
    for (char& c : text) {
        c = c == '+' ? '-' : c == '/' ? '_' : c;
    }
    return text;
}

Secret random_text(std::size_t bytes) {
    WipedBytes random(bytes);
    arc4random_buf(random.data(), random.size());
    return Secret(base64url(view(random)));
}

std::string challenge_of(const Secret& verifier) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int length = 0;
    const std::string_view text = verifier.reveal();
    const int done =
        EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_sha256(), nullptr);
    assert(done == 1);
    (void)done;
    const WipedBytes bytes(digest.begin(), digest.begin() + length);
    return std::string(view(base64url(view(bytes))));
}

bool equal_secrets(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace postbearer::agent
