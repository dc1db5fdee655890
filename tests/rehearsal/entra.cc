// SPDX-License-Identifier: Apache-2.0
#include "entra.hh"

#include <algorithm>

#include "json.hh"
#include "login_pages.hh"

namespace postbearer::rehearsal {
namespace {

constexpr std::string_view kDefaultScope = "/.default";
/// How long ago a token of the expired_token behaviour ended.
constexpr std::int64_t kExpiredSeconds = -60;

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
    } else if (rest_is({"oauth2", "v2.0", "devicecode"})) {
        record.endpoint = "devicecode";
        describe(parse_token_request(request), record);
    } else if (rest_is({"oauth2", "v2.0", "authorize"})) {
        record.endpoint = "authorize";
        describe_authorize(request, record);
    } else if (rest_is({"oauth2", "v2.0", "deviceauth"})) {
        record.endpoint = "deviceauth";
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
    if (record.endpoint == "devicecode") {
        return serve_device_code(request, record, now);
    }
    if (record.endpoint == "deviceauth") {
        return devices_.page(request, record, now);
    }
    if (record.endpoint == "authorize") {
        if (const auto error = judge_tenant(record.tenant)) {
            record.aadsts = error->code;
            return error_page(400, *error);
        }
        const Client* const client = find_client(record.client_id, record.tenant);
        return authorize_.serve(provider(record.tenant, client), client, request, record, now);
    }
    return record.endpoint == "discovery" ? serve_discovery(request, record, now)
                                          : serve_keys(request);
}

std::string EntraRoom::issuer(const std::string& tenant) const {
    // Entra's own document for shared tenants holds this placeholder, too.
    return base_url_ + "/" + (is_shared_tenant(tenant) ? "{tenantid}" : tenant_guid(tenant)) +
           "/v2.0";
}

std::optional<EntraError> EntraRoom::judge_tenant(const std::string& tenant) const {
    return is_shared_tenant(tenant) || clients_.knows_tenant(tenant)
               ? std::nullopt
               : std::optional(entra_error(90002, tenant));
}

const Client* EntraRoom::find_client(const std::string& id, const std::string& tenant) const {
    const Client* const client = clients_.find(id);
    const bool at_home =
        client != nullptr && (is_shared_tenant(tenant) || client->lives_in(tenant));
    return at_home ? client : nullptr;
}

LoginProvider EntraRoom::provider(const std::string& tenant, const Client* client) const {
    LoginProvider provider;
    provider.realm = "entra";
    provider.tenant = is_shared_tenant(tenant) && client != nullptr ? client->tenant : tenant;
    provider.issuer = issuer(provider.tenant);
    provider.device_page = base_url_ + "/" + tenant + "/oauth2/v2.0/deviceauth";
    provider.token_prefix = "1.A";
    provider.code_prefix = "1.A";
    provider.entra = true;
    return provider;
}

HttpAnswer EntraRoom::refuse(const EntraError& error, const HttpRequest& request,
                             RequestRecord& record, WallTime now) const {
    record.aadsts = error.code;
    return entra_error_answer(error, request, base_url_, now);
}

EntraRoom::ClientOrError EntraRoom::judge(const TokenRequest& asked, const HttpRequest& request,
                                          RequestRecord& record, WallTime now) const {
    const std::string& tenant = record.tenant;
    if (request.method != "POST") {
        return entra_error(900561, request.method);
    }
    if (const auto bad = judge_tenant(tenant)) {
        return *bad;
    }
    if (const auto bad = judge_entra_form(asked)) {
        return *bad;
    }
    const bool app = asked.form.get("grant_type") == "client_credentials";
    if (app && (iequals(tenant, "common") || iequals(tenant, "consumers"))) {
        return entra_error(9001023, tenant);
    }
    const Client* const client = find_client(asked.client_id, tenant);
    if (client == nullptr) {
        return entra_error(700016, asked.client_id);
    }
    if (const auto bad = app ? judge_app_scope(asked.form.get("scope")) : std::nullopt) {
        return *bad;
    }
    if (const auto bad = app ? client_judge_.judge_app(*client, asked, request, record, now)
                             : client_judge_.judge_login(*client, asked, request, record, now)) {
        return *bad;
    }
    return client;
}

HttpAnswer EntraRoom::serve_token(const HttpRequest& request, RequestRecord& record,
                                  const Twists& twists, WallTime now) {
    const TokenRequest asked = parse_token_request(request);
    const ClientOrError verdict = judge(asked, request, record, now);
    if (const auto* error = std::get_if<EntraError>(&verdict)) {
        return refuse(*error, request, record, now);
    }
    const Client& client = *std::get<const Client*>(verdict);
    if (!UserGrants::knows(asked.form.get("grant_type"))) {
        return serve_app(client, asked.form.get("scope"), request, record, twists, now);
    }
    const LoginProvider own = provider(record.tenant, &client);
    const auto result = grants_.serve(own, client, asked, record, twists, now);
    if (const auto* error = std::get_if<EntraError>(&result)) {
        return refuse(*error, request, record, now);
    }
    return entra_json(200, to_text(std::get<Json::Value>(result)), request);
}

HttpAnswer EntraRoom::serve_device_code(const HttpRequest& request, RequestRecord& record,
                                        WallTime now) {
    const TokenRequest asked = parse_token_request(request);
    if (request.method != "POST") {
        return refuse(entra_error(900561, request.method), request, record, now);
    }
    if (const auto error = judge_tenant(record.tenant)) {
        return refuse(*error, request, record, now);
    }
    if (!asked.form.malformed.empty()) {
        return refuse(entra_error(90023, asked.form.malformed + "."), request, record, now);
    }
    if (!asked.form.duplicates.empty()) {
        return refuse(entra_error(9000411, asked.form.duplicates.front()), request, record, now);
    }
    if (asked.client_id.empty()) {
        return refuse(entra_error(900144, "client_id"), request, record, now);
    }
    const Client* const client = find_client(asked.client_id, record.tenant);
    if (client == nullptr) {
        return refuse(entra_error(700016, asked.client_id), request, record, now);
    }
    const auto begun =
        devices_.begin(provider(record.tenant, client), *client, asked.form.get("scope"), now);
    if (const auto* error = std::get_if<EntraError>(&begun)) {
        return refuse(*error, request, record, now);
    }
    return entra_json(200, to_text(std::get<Json::Value>(begun)), request);
}

HttpAnswer EntraRoom::serve_app(const Client& client, const std::string& scope,
                                const HttpRequest& request, RequestRecord& record,
                                const Twists& twists, WallTime now) {
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
    for (const auto& [id, client] : clients_.all()) {
        if (client.login.send_iss && (is_shared_tenant(tenant) || client.lives_in(tenant))) {
            json["authorization_response_iss_parameter_supported"] = true;
        }
    }
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
