// SPDX-License-Identifier: Apache-2.0
#include "token-agent/token_response.hh"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "common/text.hh"
#include "token-agent/json.hh"

namespace postbearer::agent {
namespace {

using protocol::FailureClass;
using std::chrono::seconds;

constexpr long kOk = 200;

bool is_token_character(char c) noexcept {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view("-._~+/").find(c) != std::string_view::npos;
}

/// nullopt: nothing that a lifetime can be read from.
std::optional<seconds> lifetime_of(const JsonObject& json) {
    if (!json.has("expires_in")) {
        return kAssumedLifetime;
    }
    const auto count = json.number("expires_in");
    if (!count || *count <= 0) {
        return std::nullopt;
    }
    return std::min(seconds(*count), kMaxLifetime);
}

/// Advice only: nonsense in it costs nothing but the advice.
std::optional<seconds> refresh_of(const JsonObject& json, seconds lifetime) {
    const auto count = json.number("refresh_in");
    if (!count || *count <= 0 || seconds(*count) >= lifetime) {
        return std::nullopt;
    }
    return seconds(*count);
}

/// What may come beside the access token; none of it can spoil that one.
void read_companions(const JsonObject& json, TokenAnswer& answer) {
    if (json.has("refresh_token")) {
        const std::string_view refresh = json.text_or_empty("refresh_token");
        if (is_refresh_token(refresh)) {
            answer.refresh_token = Secret(refresh);
        } else {
            answer.refresh_token_lost = true;
        }
    }
    const std::string_view id_token = json.text_or_empty("id_token");
    if (is_bearer_token(id_token)) {  // a JWT is made of the same characters
        answer.id_token = Secret(id_token);
    } else {
        answer.id_token_unusable = json.has("id_token");
    }
    answer.scope = printable(json.text_or_empty("scope"), kMaxScopeBytes);
}

}  // namespace

bool is_refresh_token(std::string_view text) noexcept {
    return !text.empty() && text.size() <= kMaxRefreshTokenBytes &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

bool is_bearer_token(std::string_view text) noexcept {
    if (text.size() > kMaxTokenBytes) {
        return false;
    }
    const std::size_t padding = text.find('=');
    const std::string_view body = text.substr(0, padding);
    return !body.empty() && std::all_of(body.begin(), body.end(), is_token_character) &&
           text.find_first_not_of('=', body.size()) == std::string_view::npos;
}

TokenAnswerResult read_token_response(const http::Response& response,
                                      const AnswerContext& context) {
    auto json = JsonObject::parse(response.body.reveal());
    // The provider may have given up the refresh token before, whatever is wrong beside the new
    // one.
    const auto bad = [&](std::string_view why, FailureClass failure_class) {
        FetchFailure failure = unusable(response, why, failure_class, context);
        failure.answer_lost = true;  // it may have held a new refresh token
        const std::string_view refresh =
            json ? json->text_or_empty("refresh_token") : std::string_view();
        if (is_refresh_token(refresh)) {
            failure.refresh_token = std::make_shared<const Secret>(refresh);
        }
        return tl::unexpected(std::move(failure));
    };
    const bool has_token = json && json->has("access_token");
    if (response.status != kOk || (json && json->has("error") && !has_token)) {
        return tl::unexpected(refused(response, json ? &*json : nullptr, context));
    }
    if (!json) {
        return bad(json.error().context, FailureClass::Transient);
    }
    const std::string_view token = json->text_or_empty("access_token");
    if (!is_bearer_token(token)) {
        return bad(token.empty() ? "no access_token" : "the access_token is no bearer token",
                   FailureClass::Transient);
    }
    const auto type = json->text("token_type");
    if (json->has("token_type") && (!type || ascii_lower(*type) != "bearer")) {
        return bad("token_type is not Bearer", FailureClass::NeedsAdmin);
    }
    const auto lifetime = lifetime_of(*json);
    if (!lifetime) {
        return bad("expires_in is no positive number", FailureClass::Transient);
    }
    TokenAnswer answer;
    answer.token.access_token = Secret(token);
    answer.token.expires_in = *lifetime;
    answer.token.refresh_in = refresh_of(*json, *lifetime);
    read_companions(*json, answer);
    return answer;
}

}  // namespace postbearer::agent
