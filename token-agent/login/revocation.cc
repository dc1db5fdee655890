// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/revocation.hh"

#include <optional>
#include <utility>

#include "common/text.hh"
#include "token-agent/client_authentication.hh"
#include "token-agent/credentials/client_proof.hh"
#include "token-agent/form.hh"
#include "token-agent/json.hh"
#include "token-agent/providers.hh"

namespace postbearer::agent {
namespace {

constexpr std::size_t kMaxAnswerBytes = 64UL * 1024;
constexpr long kOk = 200;

}  // namespace

http::Request revocation_request(const RevocationWish& wish, const Secret& refresh_token,
                                 bool public_client, WallTime now) {
    const ProviderConfig& provider = wish.provider_config();
    http::Request request;
    request.url = wish.endpoint;
    request.headers = token_request_headers(provider);
    request.transport = transport_of(*wish.config, provider);
    request.max_body_bytes = kMaxAnswerBytes;
    FormBody form;
    form.add("token", refresh_token.reveal()).add("token_type_hint", "refresh_token");
    const auto proof = public_client ? std::nullopt : usual_proof(provider, wish.endpoint, now);
    authenticate_client(provider, proof ? &*proof : nullptr, form, request);
    request.body = std::move(form).finish();
    return request;
}

/// RFC 7009 section 2.2: 200, for tokens that are none as well. Google says 400 invalid_token then.
std::string why_not_revoked(const Result<http::Response>& answer, const ProviderConfig& provider) {
    if (!answer) {
        return "not revoked: " + answer.error().context;
    }
    const auto json = JsonObject::parse(answer->body.reveal());
    const std::string_view error = json ? json->text_or_empty("error") : std::string_view();
    if ((answer->status == kOk && error.empty()) || error == "invalid_token") {
        return {};
    }
    return "not revoked: provider '" + provider.name + "' answered HTTP " +
           std::to_string(answer->status) + (error.empty() ? "" : " ") + printable(error, 48) +
           "; end the access in the account's settings there";
}

}  // namespace postbearer::agent
