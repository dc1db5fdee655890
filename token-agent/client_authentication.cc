// SPDX-License-Identifier: Apache-2.0
#include "token-agent/client_authentication.hh"

#include <stdlib.h>

#include <array>
#include <string_view>
#include <utility>

#include "common/base64.hh"
#include "token-agent/credentials/client_assertion.hh"

namespace postbearer::agent {

std::string random_guid() {
    std::array<unsigned char, 16> bytes{};
    arc4random_buf(bytes.data(), bytes.size());
    bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0FU) | 0x40U);
    bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3FU) | 0x80U);
    constexpr std::string_view kHex = "0123456789abcdef";
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            text += '-';
        }
        text += kHex[bytes[i] >> 4U];
        text += kHex[bytes[i] & 0x0FU];
    }
    return text;
}

void authenticate_client(const ProviderConfig& provider, const ClientProof* proof, FormBody& form,
                         http::Request& request) {
    const std::string_view text = proof == nullptr ? std::string_view() : proof->text.reveal();
    if (proof != nullptr && proof->assertion) {
        form.add("client_id", provider.client_id)
            .add("client_assertion_type", kAssertionType)
            .add("client_assertion", text);
        return;
    }
    if (text.empty() || provider.client_auth == ClientAuth::Post) {
        form.add("client_id", provider.client_id).add_if("client_secret", text);
        return;
    }
    WipedBytes pair;
    append_form_encoded(pair, provider.client_id);
    pair.push_back(':');
    append_form_encoded(pair, text);
    WipedBytes value;
    append(value, "Basic ");
    append(value, view(base64_encode(view(pair))));
    request.authorization = Secret(std::move(value));
}

std::vector<std::string> token_request_headers(const ProviderConfig& provider) {
    std::vector<std::string> headers = {"Accept: application/json"};
    if (provider.type == ProviderType::Microsoft) {
        headers.push_back("client-request-id: " + random_guid());
        headers.emplace_back("return-client-request-id: true");
        headers.emplace_back("x-ms-lib-capability: retry-after, h429");
    }
    return headers;
}

}  // namespace postbearer::agent
