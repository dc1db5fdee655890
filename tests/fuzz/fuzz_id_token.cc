// SPDX-License-Identifier: Apache-2.0
// The claims of an id_token: what stands between its dots. Byte 0: which issuer and tenant are
// wanted, bit 4: the bytes are the whole token, bit 5: a nonce was sent.
#include <stddef.h>
#include <stdint.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "common/text.hh"
#include "token-agent/login/id_token.hh"
#include "token-agent/login/pkce.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;

constexpr const char* kIssuers[] = {
    "", "https://idp.example", "https://login.microsoftonline.com/{tenantid}/v2.0", "{tenantid}"};
constexpr const char* kTenants[] = {"common", "consumers", "organizations",
                                    "11111111-2222-3333-4444-555555555555"};

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
    const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
    IdTokenWish wish;
    wish.issuer = kIssuers[data[0] & 3U];
    wish.issuer_origin = "https://idp.example";
    wish.tenant = kTenants[(data[0] >> 2U) & 3U];
    wish.provider_type = (data[0] & 0x40U) != 0 ? ProviderType::Microsoft : ProviderType::Oidc;
    wish.mail_is_vouched_for = (data[0] & 0x80U) != 0;
    wish.client_id = "client";
    wish.nonce = (data[0] & 0x20U) != 0 ? "nonce" : "";
    wish.now = WallTime(std::chrono::seconds(1'000'000));
    const bool whole = (data[0] & 0x10U) != 0;
    const Secret token(whole ? std::string(body)
                             : "e30." + std::string(view(base64url(body))) + ".c2ln");
    const auto read = read_id_token(token, wish);
    if (!read) {
        require(read.error().code == Errc::Protocol);
        require(is_plain_utf8(read.error().context) && read.error().context.size() < 400);
        return 0;
    }
    require(!read->subject.empty() && is_plain_utf8(read->subject));
    require(read->names.sure.size() + read->names.doubtful.size() <= 4);
    for (const auto* list : {&read->names.sure, &read->names.doubtful}) {
        for (const std::string& name : *list) {
            require(!name.empty() && name.size() <= 320 && is_plain_utf8(name));
        }
    }
    return 0;
}
