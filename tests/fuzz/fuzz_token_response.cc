// SPDX-License-Identifier: Apache-2.0
// What a token endpoint or a discovery document may hold. Byte 0: status and grant, byte 1: flags,
// then the body.
#include <stddef.h>
#include <stdint.h>

#include <cstdlib>
#include <string_view>

#include "common/text.hh"
#include "token-agent/discovery.hh"
#include "token-agent/token_response.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;

constexpr std::string_view kSecret = "fuzz-client-secret";
constexpr long kStatuses[] = {200, 400, 401, 403, 404, 408, 429, 500, 503, 302, 204, 201};

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

void check(const TokenAnswerResult& result) {
    if (result) {
        const FetchedToken& token = result->token;
        require(is_bearer_token(token.access_token.reveal()));
        require(token.expires_in.count() > 0 && token.expires_in <= kMaxLifetime);
        require(!token.refresh_in || *token.refresh_in < token.expires_in);
        require(!result->refresh_token || is_refresh_token(result->refresh_token->reveal()));
        require(!result->refresh_token || !result->refresh_token_lost);
        require(!result->id_token || is_bearer_token(result->id_token->reveal()));
        require(result->scope.size() <= kMaxScopeBytes && is_plain_utf8(result->scope));
        return;
    }
    const FetchFailure& failure = result.error();
    require(failure.answer.message.size() <= protocol::kMaxSentenceBytes);
    require(is_plain_utf8(failure.answer.message));
    require(failure.answer.message.find(kSecret) == std::string::npos);
    require(!failure.answer.retry_after || *failure.answer.retry_after <= kMaxProviderWait);
    for (const std::string& text : {failure.error, failure.suberror, failure.trace_id,
                                    failure.correlation_id, failure.answer.hint}) {
        require(text.size() <= 64 && is_plain_utf8(text));
        require(text.find(kSecret) == std::string::npos);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 2) {
        return 0;
    }
    http::Response response;
    response.status = kStatuses[data[0] % (sizeof kStatuses / sizeof kStatuses[0])];
    const std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
    response.body = Secret(body);
    AnswerContext context;
    context.provider = "fuzz";
    context.grant = (data[1] & 1U) != 0 ? Grant::Delegated : Grant::ClientCredentials;
    context.recently_changed = (data[1] & 2U) != 0;
    context.redacted = {kSecret};
    if ((data[1] & 4U) != 0) {
        response.retry_after = std::chrono::hours(24);
        response.date = WallTime(std::chrono::seconds(784111777));
    }
    check(read_token_response(response, context));
    const auto metadata = read_metadata(body, "https://idp.example", (data[1] & 8U) != 0);
    require(!metadata || !metadata->token_endpoint.empty());
    return 0;
}
