// SPDX-License-Identifier: Apache-2.0
// A device authorization response. Byte 0, bit 0: http on loopback is allowed.
#include <stddef.h>
#include <stdint.h>

#include <cstdlib>
#include <string_view>

#include "common/text.hh"
#include "token-agent/login/device_response.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

bool is_safe(std::string_view uri, bool allow_http) {
    return uri.size() <= 1024 && is_plain_utf8(uri) && uri.find(' ') == std::string_view::npos &&
           (ascii_lower(uri).rfind("https:", 0) == 0 ||
            (allow_http && ascii_lower(uri).rfind("http:", 0) == 0));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 1) {
        return 0;
    }
    const bool allow_http = (data[0] & 1U) != 0;
    const auto grant = read_device_response(
        std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1), allow_http);
    if (!grant) {
        require(grant.error().code == Errc::Protocol && is_plain_utf8(grant.error().context));
        return 0;
    }
    require(!grant->device_code.empty());
    require(!grant->user_code.empty() && grant->user_code.size() <= 64);
    require(is_plain_utf8(grant->user_code) && is_plain_utf8(grant->message));
    require(is_safe(grant->verification_uri, allow_http));
    require(grant->verification_uri_complete.empty() ||
            is_safe(grant->verification_uri_complete, allow_http));
    require(grant->expires_in.count() > 0 && grant->expires_in <= kMaxDeviceLife);
    require(grant->interval.count() > 0 && grant->interval <= kMaxInterval);
    return 0;
}
