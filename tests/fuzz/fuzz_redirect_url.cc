// SPDX-License-Identifier: Apache-2.0
// What somebody pastes as the address a browser ended at. Byte 0 chooses the redirect address.
#include <stddef.h>
#include <stdint.h>

#include <cstdlib>
#include <string_view>

#include "common/text.hh"
#include "token-agent/login/redirect_answer.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;

constexpr const char* kRedirects[] = {"http://localhost:4711", "http://127.0.0.1:80/back",
                                      "http://localhost", "http://[::1]:1/"};

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 1) {
        return 0;
    }
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    const auto answer = read_redirect(text, kRedirects[data[0] & 3U]);
    if (!answer) {
        require(answer.error().code == Errc::Protocol && is_plain_utf8(answer.error().context));
        require(answer.error().context.size() < 200);
        return 0;
    }
    require(answer->code.empty() != answer->error.empty());
    require(is_plain_utf8(answer->code.reveal()));
    require(is_plain_utf8(answer->error) && is_plain_utf8(answer->error_description));
    require(!answer->issuer || is_plain_utf8(*answer->issuer));
    return 0;
}
