// SPDX-License-Identifier: Apache-2.0
#include "entra.hh"

#include <algorithm>

#include "json.hh"

namespace postbearer::rehearsal {
namespace {

constexpr std::string_view kDefaultScope = "/.default";
/// How long ago a token of the expired_token behaviour ended.
constexpr std::int64_t kExpiredSeconds = -60;

bool is_shared_tenant(const std::string& tenant) {
    return iequals(tenant, "common") || iequals(tenant, "organizations") ||
           iequals(tenant, "consumers");
}

bool ends_with(std::string_view text, std::string_view end) {
    return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

/// RFC 6749 section 3.2 and Entra's order: encoding, repeated names, what must be there.
std::optional<EntraError> judge_form(const TokenRequest& asked) {
    if (!asked.form.malformed.empty()) {
        return entra_error(90023, asked.form.malformed + ".");
    }
    if (!asked.form.duplicates.empty()) {
        return entra_error(9000411, asked.form.duplicates.front());
    }
    if (!asked.form.has("grant_type")) {
        return entra_error(900144, "grant_type");
    }
    if (asked.form.get("grant_type") != "client_credentials") {
        return entra_error(70003, asked.form.get("grant_type"));
    }
    if (asked.client_id.empty()) {
        return entra_error(900144, "client_id");
    }
    if (!asked.form.has("scope")) {
        return entra_error(900144, "scope");
    }
    return std::nullopt;
}

std::optional<EntraError> judge_scope(const std::string& scope) {
    if (scope.find(' ') != std::string::npos) {
        return entra_error(70011, scope);
    }
    const std::size_t scheme = scope.find("://");
    const bool has_resource = scheme != std::string::npos && scheme > 0 &&
                              scope.size() > scheme + 3 + kDefaultScope.size();
    if (!ends_with(scope, kDefaultScope)) {
        return entra_error(1002012, scope);
    }
    if (!has_resource) {
        return entra_error(500011, scope.substr(0, scope.size() - kDefaultScope.size()));
    }
    return std::nullopt;
}

Json::Value text_list(std::initializer_list<const char*> texts) {
    Json::Value list(Json::arrayValue);
    for (const char* text : texts) {
        list.append(text);
    }
    return list;
}

}  // namespace

bool EntraRoom::claim(const HttpRequest& request, RequestRecord& record) const {
    const std::vector<std::string> path = path_segments(request.path);
    const auto rest_is = [&path](std::initializer_list<const char*> rest) {
        return std::equal(path.begin() + 1, path.end(), rest.begin(), rest.end());
    };
    if (path.front().empty()) {
        return false;
    }
    if (rest_is({"oauth2", "v2.0", "token"})) {
        record.endpoint = "token";
        describe(parse_token_request(request), record);
    } else if (rest_is({"v2.0", ".well-known", "openid-configuration"})) {
        record.endpoint = "discovery";
    } else if (rest_is({"discovery", "v2.0", "keys"})) {
        record.endpoint = "keys";
    } else {
        return false;
    }
    record.room = "entra";
    record.tenant = path.front();
    return true;
}

HttpAnswer EntraRoom::serve(const HttpRequest& request, RequestRecord& record, const Twists& twists,
                            WallTime now) {
    if (record.endpoint == "token") {
        return serve_token(request, record, twists, now);
    }
    return record.endpoint == "discovery" ? serve_discovery(request, record, now)
                                          : serve_keys(request);
}

std::string EntraRoom::issuer(const std::string& tenant) const {
    // Entra's own document for shared tenants holds this placeholder, too.
    return base_url_ + "/" + (is_shared_tenant(tenant) ? "{tenantid}" : tenant_guid(tenant)) +
           "/v2.0";
}

std::optional<EntraError> EntraRoom::judge_client(const TokenRequest& asked,
                                                  const std::string& tenant) const {
    const Client* client = clients_.find(asked.client_id);
    if (client == nullptr || !(is_shared_tenant(tenant) || client->lives_in(tenant))) {
        return entra_error(700016, asked.client_id);
    }
    if (const auto bad = judge_scope(asked.form.get("scope"))) {
        return bad;
    }
    if (asked.client_auth == "several" || asked.client_auth == "unreadable") {
        return entra_error(90023, "One way of client authentication is expected.");
    }
    if (asked.client_auth == "assertion") {
        return entra_error(700027, asked.client_id);  // no certificates are registered yet
    }
    if (asked.client_auth == "none") {
        return entra_error(7000216, asked.client_id);
    }
    switch (judge_secret(*client, asked.client_secret)) {
        case SecretVerdict::Wrong:
            return entra_error(7000215, asked.client_id);
        case SecretVerdict::Expired:
            return entra_error(7000222, asked.client_id);
        case SecretVerdict::Good:
            break;
    }
    return std::nullopt;
}

EntraRoom::ClientOrError EntraRoom::judge(const TokenRequest& asked, const HttpRequest& request,
                                          const std::string& tenant) const {
    if (request.method != "POST") {
        return entra_error(900561, request.method);
    }
    if (!is_shared_tenant(tenant) && !clients_.knows_tenant(tenant)) {
        return entra_error(90002, tenant);
    }
    if (const auto bad = judge_form(asked)) {
        return *bad;
    }
    if (iequals(tenant, "common") || iequals(tenant, "consumers")) {
        return entra_error(9001023, tenant);
    }
    if (const auto bad = judge_client(asked, tenant)) {
        return *bad;
    }
    return clients_.find(asked.client_id);
}

HttpAnswer EntraRoom::serve_token(const HttpRequest& request, RequestRecord& record,
                                  const Twists& twists, WallTime now) {
    const TokenRequest asked = parse_token_request(request);
    const ClientOrError verdict = judge(asked, request, record.tenant);
    if (const auto* error = std::get_if<EntraError>(&verdict)) {
        record.aadsts = error->code;
        return entra_error_answer(*error, request, base_url_, now);
    }
    const Client& client = *std::get<const Client*>(verdict);
    const std::string scope = asked.form.get("scope");
    MintOrder order;
    order.client_id = client.id;
    order.tenant = is_shared_tenant(record.tenant) ? client.tenant : record.tenant;
    order.issuer = issuer(order.tenant);
    order.audience = client.audience.value_or(scope.substr(0, scope.size() - kDefaultScope.size()));
    order.lifetime_seconds = twists.expired ? kExpiredSeconds : client.lifetime_seconds;
    order.roles = client.roles;
    order.user = client.user;
    order.scope = client.scope.value_or("");
    order.extra_claims = client.extra_claims;
    order.pad_bytes = client.pad_bytes;
    order.foreign_key = twists.foreign_key;
    if (!twists.kid.empty()) {
        order.header["kid"] = twists.kid;
    }
    Json::Value json;
    json["token_type"] = "Bearer";
    json["expires_in"] = static_cast<Json::Int64>(client.lifetime_seconds);
    json["ext_expires_in"] = static_cast<Json::Int64>(client.lifetime_seconds);
    if (client.refresh_in_seconds) {
        json["refresh_in"] = static_cast<Json::Int64>(*client.refresh_in_seconds);
    }
    const std::string token = mint_.mint(order, now);
    json["access_token"] = token;
    record.token_fingerprint = fingerprint(token);
    records_.count_token_success();
    return entra_json(200, to_text(json), request);
}

HttpAnswer EntraRoom::serve_discovery(const HttpRequest& request, const RequestRecord& record,
                                      WallTime now) const {
    const std::string& tenant = record.tenant;
    if (!is_shared_tenant(tenant) && !clients_.knows_tenant(tenant)) {
        return entra_error_answer(entra_error(90002, tenant), request, base_url_, now);
    }
    const std::string root = base_url_ + "/" + tenant;
    Json::Value json;
    json["token_endpoint"] = root + "/oauth2/v2.0/token";
    json["token_endpoint_auth_methods_supported"] =
        text_list({"client_secret_post", "private_key_jwt", "client_secret_basic"});
    json["jwks_uri"] = root + "/discovery/v2.0/keys";
    json["response_modes_supported"] = text_list({"query", "fragment", "form_post"});
    json["subject_types_supported"] = text_list({"pairwise"});
    json["id_token_signing_alg_values_supported"] = text_list({"RS256"});
    json["response_types_supported"] = text_list({"code", "id_token", "code id_token"});
    json["scopes_supported"] = text_list({"openid", "profile", "email", "offline_access"});
    json["issuer"] = issuer(tenant);
    json["authorization_endpoint"] = root + "/oauth2/v2.0/authorize";
    json["device_authorization_endpoint"] = root + "/oauth2/v2.0/devicecode";
    json["end_session_endpoint"] = root + "/oauth2/v2.0/logout";
    json["http_logout_supported"] = true;
    json["frontchannel_logout_supported"] = true;
    json["tenant_region_scope"] = is_shared_tenant(tenant) ? Json::Value() : Json::Value("EU");
    json["cloud_instance_name"] = "microsoftonline.com";
    json["msgraph_host"] = "graph.microsoft.com";
    return entra_json(200, to_text(json), request);
}

HttpAnswer EntraRoom::serve_keys(const HttpRequest& request) const {
    Json::Value json;
    json["keys"].append(key_.jwk());
    return entra_json(200, to_text(json), request);
}

}  // namespace postbearer::rehearsal
