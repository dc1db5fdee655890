// SPDX-License-Identifier: Apache-2.0
#include "tests/support/signed_jwt.hh"

#include <algorithm>
#include <vector>

#include "common/base64.hh"
#include "tests/support/process.hh"

namespace postbearer::test {

std::string base64url(const std::string& bytes) {
    const auto coded = base64_encode(bytes);
    std::string text(coded.data(), coded.size());
    text.erase(std::min(text.find('='), text.size()));
    for (char& each : text) {
        each = each == '+' ? '-' : each == '/' ? '_' : each;
    }
    return text;
}

std::string signed_jwt(const std::string& algorithm, const std::string& payload, const Path& key) {
    const std::string head =
        base64url(R"({"alg":")" + algorithm + R"(","typ":"JWT"})") + "." + base64url(payload);
    std::vector<std::string> argv{"openssl", "dgst", "-sha256", "-sign", key};
    if (algorithm == "PS256") {
        for (const char* option : {"rsa_padding_mode:pss", "rsa_pss_saltlen:digest"}) {
            argv.insert(argv.end(), {"-sigopt", option});
        }
    }
    return head + "." + base64url(run_ok({.argv = argv, .input = head}));
}

}  // namespace postbearer::test
