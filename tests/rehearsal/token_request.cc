// SPDX-License-Identifier: Apache-2.0
#include "token_request.hh"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace postbearer::rehearsal {
namespace {

constexpr std::array<std::string_view, 17> kKnownParameters = {
    "grant_type",      "client_id",
    "client_secret",   "client_assertion_type",
    "scope",           "client_assertion",
    "client_info",     "resource",
    "claims",          "code",
    "redirect_uri",    "code_verifier",
    "refresh_token",   "device_code",
    "assertion",       "token",
    "token_type_hint",
};

bool equal_secrets(const std::string& left, const std::string& right) {
    return left.size() == right.size() &&
           CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace

TokenRequest parse_token_request(const HttpRequest& request) {
    TokenRequest parsed;
    parsed.is_form = request.media_type() == "application/x-www-form-urlencoded";
    if (parsed.is_form) {
        parsed.form = parse_form(request.body);
    }
    parsed.client_id = parsed.form.get("client_id");
    int ways = 0;
    if (parsed.form.has("client_secret")) {
        parsed.client_auth = "post";
        parsed.client_secret = parsed.form.get("client_secret");
        ++ways;
    }
    if (parsed.form.has("client_assertion")) {
        parsed.client_auth = "assertion";
        ++ways;
    }
    if (!request.header("Authorization").empty()) {
        const auto basic = parse_basic(request.header("Authorization"));
        parsed.client_auth = basic ? "basic" : "unreadable";
        ++ways;
        if (basic) {
            const bool contradicts = !parsed.client_id.empty() && parsed.client_id != basic->user;
            parsed.client_id = basic->user;
            parsed.client_secret = basic->password;
            ways += contradicts ? 1 : 0;
        }
    }
    if (ways > 1) {
        parsed.client_auth = "several";
    }
    return parsed;
}

void describe(const TokenRequest& token_request, RequestRecord& record) {
    record.client_id = token_request.client_id;
    record.client_auth = token_request.client_auth;
    record.scope = token_request.form.get("scope");
    record.grant_type = token_request.form.get("grant_type");
    record.parameters = token_request.form.order;
    if (token_request.form.has("refresh_token")) {
        record.login["refresh_token"] = fingerprint(token_request.form.get("refresh_token"));
    }
    for (const std::string& name : record.parameters) {
        if (std::find(kKnownParameters.begin(), kKnownParameters.end(), name) ==
            kKnownParameters.end()) {
            record.unknown_parameters.push_back(name);
        }
    }
}

SecretVerdict judge_secret(const Client& client, const std::string& secret) {
    for (const ClientSecret& known : client.secrets) {
        if (equal_secrets(known.value, secret)) {
            return known.expired ? SecretVerdict::Expired : SecretVerdict::Good;
        }
    }
    return SecretVerdict::Wrong;
}

std::vector<std::string> path_segments(const std::string& path) {
    std::vector<std::string> segments;
    std::size_t at = path.rfind('/', 0) == 0 ? 1 : 0;
    while (at <= path.size()) {
        const std::size_t end = std::min(path.find('/', at), path.size());
        segments.push_back(path.substr(at, end - at));
        at = end + 1;
    }
    return segments;
}

}  // namespace postbearer::rehearsal
