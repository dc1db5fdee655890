// SPDX-License-Identifier: Apache-2.0
#include "google.hh"

#include "json.hh"
#include "login_pages.hh"
#include "login_revocation.hh"

namespace postbearer::rehearsal {
namespace {

constexpr const char* kServiceGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
constexpr const char* kMail = "https://mail.google.com/";
constexpr std::int64_t kExpiredSeconds = -60;

HttpAnswer google_json(unsigned status, const Json::Value& json) {
    HttpAnswer answer;
    answer.status = status;
    answer.body = to_text(json);
    answer.headers = {{"Content-Type", "application/json; charset=utf-8"},
                      {"Cache-Control", "no-cache, no-store, max-age=0, must-revalidate"},
                      {"Pragma", "no-cache"},
                      {"X-Content-Type-Options", "nosniff"}};
    return answer;
}

HttpAnswer google_error(const GoogleError& error) {
    Json::Value json;
    json["error"] = error.error;
    json["error_description"] = error.description;
    if (!error.subtype.empty()) {
        json["error_subtype"] = error.subtype;
    }
    return google_json(error.status, json);
}

/// Google's words for what the grants refuse.
GoogleError translated(const EntraError& error, const std::string& grant_type) {
    switch (error.code) {
        case 900144:
            return {400, "invalid_request", "Missing required parameter"};
        case 500112:
            return {400, "redirect_uri_mismatch", "Bad Request"};
        case 50148:
            return {400, "invalid_grant", "Missing code verifier."};
        case 501481:
            return {400, "invalid_grant", "Invalid code verifier."};
        case 50034:
            return {400, "invalid_grant", "Account has been deleted"};
        case 50076:
        case 70043:
            return {400, "invalid_grant", "reauth related error (invalid_rapt)", "invalid_rapt"};
        case 70011:
            return {400, "invalid_scope", "Bad Request"};
        default:
            break;
    }
    return {
        400, "invalid_grant",
        grant_type == kCodeGrant ? "Malformed auth code." : "Token has been expired or revoked."};
}

std::optional<GoogleError> judge_request(const HttpRequest& request, const TokenRequest& asked) {
    if (request.method != "POST") {
        return GoogleError{405, "invalid_request", "POST is expected"};
    }
    if (!asked.is_form || !asked.form.malformed.empty()) {
        return GoogleError{400, "invalid_request", "Bad Request"};
    }
    if (!asked.form.duplicates.empty()) {
        return GoogleError{
            400, "invalid_request",
            "OAuth 2 parameters can only have a single value: " + asked.form.duplicates.front()};
    }
    const std::string grant_type = asked.form.get("grant_type");
    const bool known = grant_type == kCodeGrant || grant_type == kRefreshGrant;
    if (!known && grant_type != kServiceGrant) {
        return GoogleError{400, "unsupported_grant_type", "Invalid grant_type: " + grant_type};
    }
    return std::nullopt;
}

std::optional<GoogleError> judge_client(const Client* client, const TokenRequest& asked) {
    if (client == nullptr) {
        return GoogleError{401, "invalid_client", "The OAuth client was not found."};
    }
    if (asked.client_auth == "none") {
        return client->login.is_public ? std::nullopt
                                       : std::optional(GoogleError{400, "invalid_request",
                                                                   "client_secret is missing."});
    }
    const bool good = (asked.client_auth == "post" || asked.client_auth == "basic") &&
                      judge_secret(*client, asked.client_secret) == SecretVerdict::Good;
    return good ? std::nullopt
                : std::optional(
                      GoogleError{401, "invalid_client", "The provided client secret is invalid."});
}

}  // namespace

bool GoogleRoom::claim(const HttpRequest& request, RequestRecord& record) const {
    if (request.path == "/google/token") {
        record.endpoint = "google_token";
        describe(parse_token_request(request), record);
    } else if (request.path == "/google/o/oauth2/v2/auth") {
        record.endpoint = "authorize";
        describe_authorize(request, record);
    } else if (request.path == "/google/revoke") {
        record.endpoint = "revoke";
        record.login["token"] = fingerprint(page_parameters(request)["token"]);
    } else if (request.path == "/google/.well-known/openid-configuration") {
        record.endpoint = "discovery";
    } else if (request.path == "/google/keys") {
        record.endpoint = "keys";
    } else {
        return false;
    }
    record.room = "google";
    record.tenant = "google";
    return true;
}

HttpAnswer GoogleRoom::serve(const HttpRequest& request, RequestRecord& record,
                             const Twists& twists, WallTime now) {
    if (record.endpoint == "google_token") {
        return serve_token(request, record, twists, now);
    }
    if (record.endpoint == "authorize") {
        return authorize_.serve(provider(), find_client(record.client_id), request, record, now);
    }
    if (record.endpoint == "revoke") {
        return serve_revoke(request, record, now);
    }
    if (record.endpoint == "discovery") {
        return serve_discovery();
    }
    Json::Value json;
    json["keys"].append(parts_.key.jwk());
    return google_json(200, json);
}

LoginProvider GoogleRoom::provider() const {
    LoginProvider provider;
    provider.realm = "google";
    provider.tenant = "google";
    provider.issuer = base_url_ + "/google";
    provider.token_prefix = "1//";
    provider.code_prefix = "4/";
    provider.google = true;
    provider.pkce_needed = false;
    return provider;
}

const Client* GoogleRoom::find_client(const std::string& id) const {
    const Client* const client = parts_.clients.find(id);
    return client != nullptr && client->lives_in("google") ? client : nullptr;
}

HttpAnswer GoogleRoom::serve_token(const HttpRequest& request, RequestRecord& record,
                                   const Twists& twists, WallTime now) {
    const TokenRequest asked = parse_token_request(request);
    if (const auto error = judge_request(request, asked)) {
        return google_error(*error);
    }
    const std::string grant_type = asked.form.get("grant_type");
    if (grant_type == kServiceGrant) {
        return serve_service(request, record, twists, now);
    }
    const Client* const client = find_client(asked.client_id);
    if (const auto error = judge_client(client, asked)) {
        return google_error(*error);
    }
    const LoginProvider own = provider();
    const auto result = grants_.serve(own, *client, asked, record, twists, now);
    if (const auto* error = std::get_if<EntraError>(&result)) {
        return google_error(translated(*error, grant_type));
    }
    return google_json(200, std::get<Json::Value>(result));
}

HttpAnswer GoogleRoom::serve_service(const HttpRequest& request, RequestRecord& record,
                                     const Twists& twists, WallTime now) {
    const TokenRequest asked = parse_token_request(request);
    const auto verdict = judge_service_assertion(
        parts_.accounts, asked.form.get("assertion"),
        {base_url_ + request.path, "https://" + request.header("Host") + request.path}, now);
    record.client_auth = "assertion";
    if (const auto* error = std::get_if<GoogleError>(&verdict)) {
        return google_error(*error);
    }
    const auto& grant = std::get<ServiceGrant>(verdict);
    record.client_id = grant.account->client_id;
    record.scope = grant.scope;
    record.login["user"] = grant.subject;
    MintOrder order;
    order.client_id = grant.account->client_id;
    order.tenant = "google";
    order.issuer = provider().issuer;
    order.audience = kMail;
    order.lifetime_seconds = twists.expired ? kExpiredSeconds : grant.account->lifetime_seconds;
    order.user = grant.subject;
    order.scope = grant.scope;
    order.extra_claims["scp"] = grant.scope;
    order.foreign_key = twists.foreign_key;
    order.prefix = "ya29.";
    if (!twists.kid.empty()) {
        order.header["kid"] = twists.kid;
    }
    const std::string token = parts_.mint.mint(order, now);
    Json::Value json;
    json["access_token"] = token;
    json["expires_in"] = static_cast<Json::Int64>(grant.account->lifetime_seconds - 1);
    json["token_type"] = "Bearer";
    record.token_fingerprint = fingerprint(token);
    parts_.records.count_token_success();
    return google_json(200, json);
}

HttpAnswer GoogleRoom::serve_revoke(const HttpRequest& request, RequestRecord&, WallTime now) {
    if (request.method != "POST") {
        return google_error({405, "invalid_request", "POST is expected"});
    }
    const std::string token = page_parameters(request)["token"];
    if (token.empty()) {
        return google_error({400, "invalid_request", "Bad Request"});
    }
    if (!revoke_token(parts_.logins, parts_.verifier, provider(), "", token, now)) {
        return google_error({400, "invalid_token", "Token expired or revoked"});
    }
    return google_json(200, Json::Value(Json::objectValue));
}

HttpAnswer GoogleRoom::serve_discovery() const {
    const std::string root = base_url_ + "/google";
    const auto list = [](std::initializer_list<const char*> texts) {
        return to_json(std::vector<std::string>(texts.begin(), texts.end()));
    };
    Json::Value json;
    json["issuer"] = root;
    json["authorization_endpoint"] = root + "/o/oauth2/v2/auth";
    json["token_endpoint"] = root + "/token";
    json["revocation_endpoint"] = root + "/revoke";
    json["jwks_uri"] = root + "/keys";
    json["response_types_supported"] = list({"code"});
    json["subject_types_supported"] = list({"public"});
    json["id_token_signing_alg_values_supported"] = list({"RS256"});
    json["scopes_supported"] = list({"openid", "email", "profile"});
    json["token_endpoint_auth_methods_supported"] =
        list({"client_secret_post", "client_secret_basic"});
    json["code_challenge_methods_supported"] = list({"plain", "S256"});
    json["grant_types_supported"] = list({kCodeGrant, kRefreshGrant, kServiceGrant});
    return google_json(200, json);
}

}  // namespace postbearer::rehearsal
