// SPDX-License-Identifier: Apache-2.0
#include "oidc.hh"

#include <optional>

#include "json.hh"
#include "login_revocation.hh"

namespace postbearer::rehearsal {
namespace {

constexpr std::int64_t kExpiredSeconds = -60;

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
    } else if (request.path == "/oidc/authorize") {
        record.endpoint = "authorize";
        describe_authorize(request, record);
    } else if (request.path == "/oidc/device_authorization") {
        record.endpoint = "devicecode";
        describe(parse_token_request(request), record);
    } else if (request.path == "/oidc/device") {
        record.endpoint = "deviceauth";
    } else if (request.path == "/oidc/revoke") {
        record.endpoint = "revoke";
        const TokenRequest asked = parse_token_request(request);
        describe(asked, record);
        record.login["token"] = fingerprint(asked.form.get("token"));
        record.login["token_type_hint"] = asked.form.get("token_type_hint");
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
    if (record.endpoint == "authorize") {
        const Client* client = parts_.clients.find(record.client_id);
        client = client != nullptr && client->lives_in("oidc") ? client : nullptr;
        return authorize_.serve(provider(), client, request, record, now);
    }
    if (record.endpoint == "devicecode") {
        return serve_device(request, record, now);
    }
    if (record.endpoint == "deviceauth") {
        return devices_.page(request, record, now);
    }
    if (record.endpoint == "revoke") {
        return serve_revoke(request, record, now);
    }
    if (record.endpoint == "discovery") {
        return serve_discovery();
    }
    Json::Value json;
    json["keys"].append(parts_.key.jwk());
    return oidc_json(200, json);
}

LoginProvider OidcRoom::provider() const {
    LoginProvider provider;
    provider.realm = "oidc";
    provider.tenant = "oidc";
    provider.issuer = issuer_;
    provider.device_page = issuer_ + "/device";
    return provider;
}

std::optional<OidcRefusal> OidcRoom::judge(const HttpRequest& request, const TokenRequest& asked,
                                           RequestRecord& record, WallTime now) {
    auto refusal = judge_oidc_shape(request, asked);
    if (!refusal && record.endpoint == "token" && !asked.form.has("grant_type")) {
        refusal = OidcRefusal{400, "invalid_request", "grant_type is missing"};
    }
    if (refusal) {
        return refusal;
    }
    // RFC 7523 section 3: the token endpoint's URL or the issuer.
    const std::string host = "https://" + request.header("Host");
    return judge_oidc_client(
        parts_.clients.find(asked.client_id), asked, parts_.logins,
        {issuer_, issuer_ + "/token", host + "/oidc", host + "/oidc/token", host + request.path},
        record, now);
}

HttpAnswer OidcRoom::serve_token(const HttpRequest& request, RequestRecord& record,
                                 const Twists& twists, WallTime now) {
    const TokenRequest asked = parse_token_request(request);
    if (const auto refusal = judge(request, asked, record, now)) {
        return oidc_refusal(*refusal, refusal->status == 401 && asked.client_auth == "basic");
    }
    const Client& client = *parts_.clients.find(asked.client_id);
    const std::string grant_type = asked.form.get("grant_type");
    if (UserGrants::knows(grant_type)) {
        const LoginProvider own = provider();
        const auto result = grants_.serve(own, client, asked, record, twists, now);
        if (const auto* error = std::get_if<EntraError>(&result)) {
            return oidc_refusal(without_numbers(*error), false);
        }
        return oidc_json(200, std::get<Json::Value>(result));
    }
    if (grant_type != "client_credentials") {
        return oidc_refusal({400, "unsupported_grant_type", grant_type}, false);
    }
    if (asked.client_auth == "none") {
        return oidc_refusal({400, "unauthorized_client", "a public client has no secrets"}, false);
    }
    return serve_app(client, asked, record, twists, now);
}

HttpAnswer OidcRoom::serve_device(const HttpRequest& request, RequestRecord& record, WallTime now) {
    const TokenRequest asked = parse_token_request(request);
    if (const auto refusal = judge(request, asked, record, now)) {
        return oidc_refusal(*refusal, refusal->status == 401 && asked.client_auth == "basic");
    }
    const auto begun = devices_.begin(provider(), *parts_.clients.find(asked.client_id),
                                      asked.form.get("scope"), now);
    if (const auto* error = std::get_if<EntraError>(&begun)) {
        return oidc_refusal(without_numbers(*error), false);
    }
    return oidc_json(200, std::get<Json::Value>(begun));
}

HttpAnswer OidcRoom::serve_revoke(const HttpRequest& request, RequestRecord& record, WallTime now) {
    const TokenRequest asked = parse_token_request(request);
    if (const auto refusal = judge(request, asked, record, now)) {
        return oidc_refusal(*refusal, refusal->status == 401 && asked.client_auth == "basic");
    }
    if (!asked.form.has("token")) {
        return oidc_refusal({400, "invalid_request", "token is missing"}, false);
    }
    // RFC 7009 section 2.2: a token nobody knows is as good as revoked.
    (void)revoke_token(parts_.logins, parts_.verifier, provider(), asked.client_id,
                       asked.form.get("token"), now);
    HttpAnswer answer;
    answer.set_header("Cache-Control", "no-store");
    return answer;
}

HttpAnswer OidcRoom::serve_app(const Client& client, const TokenRequest& asked,
                               RequestRecord& record, const Twists& twists, WallTime now) {
    MintOrder order;
    order.client_id = client.id;
    order.tenant = "oidc";
    order.issuer = issuer_;
    order.audience = audience_of(client, asked, issuer_);
    order.lifetime_seconds = twists.expired ? kExpiredSeconds : client.lifetime_seconds;
    order.roles = client.roles;
    order.user = client.user;
    order.scope = client.scope.value_or(asked.form.get("scope"));
    order.extra_claims = client.extra_claims;
    order.pad_bytes = client.pad_bytes;
    order.foreign_key = twists.foreign_key;
    if (!twists.kid.empty()) {
        order.header["kid"] = twists.kid;
    }
    const std::string token = parts_.mint.mint(order, now);
    Json::Value json;
    json["access_token"] = token;
    json["token_type"] = "Bearer";
    json["expires_in"] = static_cast<Json::Int64>(client.lifetime_seconds);
    if (asked.form.has("scope")) {
        json["scope"] = asked.form.get("scope");
    }
    record.token_fingerprint = fingerprint(token);
    parts_.records.count_token_success();
    return oidc_json(200, json);
}

HttpAnswer OidcRoom::serve_discovery() const {
    const auto list = [](std::initializer_list<const char*> texts) {
        return to_json(std::vector<std::string>(texts.begin(), texts.end()));
    };
    Json::Value json;
    json["issuer"] = issuer_;
    json["token_endpoint"] = issuer_ + "/token";
    json["jwks_uri"] = issuer_ + "/keys";
    json["authorization_endpoint"] = issuer_ + "/authorize";
    json["device_authorization_endpoint"] = issuer_ + "/device_authorization";
    json["revocation_endpoint"] = issuer_ + "/revoke";
    json["grant_types_supported"] =
        list({"client_credentials", kCodeGrant, kRefreshGrant, kDeviceGrant});
    json["token_endpoint_auth_methods_supported"] =
        list({"client_secret_basic", "client_secret_post", "private_key_jwt", "none"});
    json["revocation_endpoint_auth_methods_supported"] =
        json["token_endpoint_auth_methods_supported"];
    json["token_endpoint_auth_signing_alg_values_supported"] = list({"PS256", "RS256"});
    json["code_challenge_methods_supported"] = list({"S256"});
    json["scopes_supported"] = list({"openid", "profile", "email", "offline_access"});
    for (const auto& [id, client] : parts_.clients.all()) {
        if (client.login.send_iss && client.lives_in("oidc")) {
            json["authorization_response_iss_parameter_supported"] = true;
        }
    }
    json["id_token_signing_alg_values_supported"] = list({"RS256"});
    json["response_types_supported"] = list({"code"});
    json["subject_types_supported"] = list({"public"});
    return oidc_json(200, json);
}

}  // namespace postbearer::rehearsal
