// SPDX-License-Identifier: Apache-2.0
// A server's metadata. Byte 0, bit 0: http on loopback is allowed.
#include <stddef.h>
#include <stdint.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "common/text.hh"
#include "token-agent/discovery.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;

constexpr const char* kIssuer = "https://idp.example";

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
    const bool allow_http = (data[0] & 1U) != 0;
    const auto metadata = read_metadata(
        std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1), kIssuer, allow_http);
    if (!metadata) {
        require(metadata.error().code == Errc::Protocol || metadata.error().code == Errc::Config);
        require(is_plain_utf8(metadata.error().context));
        return 0;
    }
    require(metadata->issuer == kIssuer && !metadata->token_endpoint.empty());
    for (const std::string* url :
         {&metadata->token_endpoint, &metadata->authorization_endpoint,
          &metadata->device_authorization_endpoint, &metadata->revocation_endpoint}) {
        const std::string lower = ascii_lower(*url);
        require(lower.empty() || lower.rfind("https:", 0) == 0 ||
                (allow_http && lower.rfind("http:", 0) == 0));
        require(is_plain_utf8(*url));
    }
    for (const std::string& scope : metadata->scopes) {
        require(is_plain_utf8(scope) && scope.size() <= 256);
    }
    require(metadata->scopes.size() <= 500);
    return 0;
}
