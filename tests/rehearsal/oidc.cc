// SPDX-License-Identifier: Apache-2.0
#include "oidc.hh"

#include <optional>

#include "json.hh"

namespace postbearer::rehearsal {
namespace {

constexpr std::int64_t kExpiredSeconds = -60;

HttpAnswer json_answer(unsigned status, const Json::Value& json) {
    HttpAnswer answer;
    answer.status = status;
    answer.body = to_text(json);
    answer.headers = {{"Content-Type", "application/json"},
                      {"Cache-Control", "no-store"},
                      {"Pragma", "no-cache"}};
    return answer;
}

struct Refusal {
    unsigned status;
    const char* error;
    std::string description;
};

HttpAnswer refuse(const Refusal& refusal, bool with_challenge) {
    Json::Value json;
    json["error"] = refusal.error;
    json["error_description"] = refusal.description;
    HttpAnswer answer = json_answer(refusal.status, json);
    if (with_challenge) {  // RFC 6749 section 5.2
        answer.set_header("WWW-Authenticate", "Basic realm=\"rehearsal\"");
    }
    return answer;
}

std::optional<Refusal> judge_shape(const HttpRequest& request, const TokenRequest& asked) {
    if (request.method != "POST") {
        return Refusal{405, "invalid_request", "POST is expected"};
    }
    if (!asked.is_form) {
        return Refusal{400, "invalid_request", "application/x-www-form-urlencoded is expected"};
    }
    if (!asked.form.malformed.empty()) {
        return Refusal{400, "invalid_request", asked.form.malformed};
    }
    if (!asked.form.duplicates.empty()) {
        return Refusal{400, "invalid_request", "repeated: " + asked.form.duplicates.front()};
    }
    if (!asked.form.has("grant_type")) {
        return Refusal{400, "invalid_request", "grant_type is missing"};
    }
    if (asked.client_auth == "several" || asked.client_auth == "unreadable") {
        return Refusal{400, "invalid_request", "one way of client authentication is expected"};
    }
    return std::nullopt;
}

std::optional<Refusal> judge_client(const Client* client, const TokenRequest& asked) {
    const bool good = client != nullptr && client->lives_in("oidc") &&
                      (asked.client_auth == "post" || asked.client_auth == "basic") &&
                      judge_secret(*client, asked.client_secret) == SecretVerdict::Good;
    if (!good) {
        return Refusal{401, "invalid_client", "client authentication failed"};
    }
    if (asked.form.get("grant_type") != "client_credentials") {
        return Refusal{400, "unsupported_grant_type", asked.form.get("grant_type")};
    }
    return std::nullopt;
}

std::string audience_of(const Client& client, const TokenRequest& asked,
                        const std::string& issuer) {
    if (client.audience) {
        return *client.audience;
    }
    if (asked.form.has("resource")) {  // RFC 8707
        return asked.form.get("resource");
    }
    const std::string scope = asked.form.get("scope");
    const std::size_t end = scope.rfind("/.default");
    return end == std::string::npos ? issuer : scope.substr(0, end);
}

}  // namespace

bool OidcRoom::claim(const HttpRequest& request, RequestRecord& record) const {
    if (request.path == "/oidc/token") {
        record.endpoint = "token";
        describe(parse_token_request(request), record);
    } else if (request.path == "/oidc/.well-known/openid-configuration") {
        record.endpoint = "discovery";
    } else if (request.path == "/oidc/keys") {
        record.endpoint = "keys";
    } else {
        return false;
    }
    record.room = "oidc";
    record.tenant = "oidc";
    return true;
}

HttpAnswer OidcRoom::serve(const HttpRequest& request, RequestRecord& record, const Twists& twists,
                           WallTime now) {
    if (record.endpoint == "token") {
        return serve_token(request, record, twists, now);
    }
    if (record.endpoint == "discovery") {
        return serve_discovery();
    }
    Json::Value json;
    json["keys"].append(key_.jwk());
    return json_answer(200, json);
}

HttpAnswer OidcRoom::serve_token(const HttpRequest& request, RequestRecord& record,
                                 const Twists& twists, WallTime now) {
    const TokenRequest asked = parse_token_request(request);
    const Client* client = clients_.find(asked.client_id);
    std::optional<Refusal> refusal = judge_shape(request, asked);
    if (!refusal) {
        refusal = judge_client(client, asked);
    }
    if (refusal) {
        return refuse(*refusal, refusal->status == 401 && asked.client_auth == "basic");
    }
    MintOrder order;
    order.client_id = client->id;
    order.tenant = "oidc";
    order.issuer = issuer_;
    order.audience = audience_of(*client, asked, issuer_);
    order.lifetime_seconds = twists.expired ? kExpiredSeconds : client->lifetime_seconds;
    order.roles = client->roles;
    order.user = client->user;
    order.scope = client->scope.value_or(asked.form.get("scope"));
    order.extra_claims = client->extra_claims;
    order.pad_bytes = client->pad_bytes;
    order.foreign_key = twists.foreign_key;
    if (!twists.kid.empty()) {
        order.header["kid"] = twists.kid;
    }
    const std::string token = mint_.mint(order, now);
    Json::Value json;
    json["access_token"] = token;
    json["token_type"] = "Bearer";
    json["expires_in"] = static_cast<Json::Int64>(client->lifetime_seconds);
    if (asked.form.has("scope")) {
        json["scope"] = asked.form.get("scope");
    }
    record.token_fingerprint = fingerprint(token);
    records_.count_token_success();
    return json_answer(200, json);
}

HttpAnswer OidcRoom::serve_discovery() const {
    const auto list = [](std::initializer_list<const char*> texts) {
        return to_json(std::vector<std::string>(texts.begin(), texts.end()));
    };
    Json::Value json;
    json["issuer"] = issuer_;
    json["token_endpoint"] = issuer_ + "/token";
    json["jwks_uri"] = issuer_ + "/keys";
    json["grant_types_supported"] = list({"client_credentials"});
    json["token_endpoint_auth_methods_supported"] =
        list({"client_secret_basic", "client_secret_post"});
    json["id_token_signing_alg_values_supported"] = list({"RS256"});
    json["response_types_supported"] = list({"code"});
    json["subject_types_supported"] = list({"public"});
    return json_answer(200, json);
}

}  // namespace postbearer::rehearsal
