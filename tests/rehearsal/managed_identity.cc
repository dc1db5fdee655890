// SPDX-License-Identifier: Apache-2.0
#include "managed_identity.hh"

#include <unistd.h>

#include <algorithm>

#include "files.hh"
#include "graph_route.hh"
#include "json.hh"
#include "log.hh"

namespace postbearer::rehearsal {
namespace {

constexpr std::int64_t kExpiredSeconds = -60;
constexpr const char* kImdsVersion = "2018-02-01";

HttpAnswer identity_json(unsigned status, const Json::Value& json) {
    HttpAnswer answer;
    answer.status = status;
    answer.body = to_text(json);
    answer.headers = {{"Content-Type", "application/json; charset=utf-8"},
                      {"Server", "IMDS/150.870.65.1854"}};
    return answer;
}

HttpAnswer identity_error(unsigned status, const char* error, const std::string& description) {
    Json::Value json;
    json["error"] = error;
    json["error_description"] = description;
    return identity_json(status, json);
}

bool is_arc_version(const std::string& version) {
    return version == "2020-06-01" || version == "2019-11-01";
}

std::string get(const std::map<std::string, std::string>& asked, const char* name) {
    const auto found = asked.find(name);
    return found == asked.end() ? std::string() : found->second;
}

}  // namespace

std::variant<ManagedIdentity, std::string> parse_identity(const Json::Value& json) {
    ObjectReader reader(json);
    ManagedIdentity identity;
    identity.client_id = reader.text("client_id", guid());
    identity.object_id = reader.text("object_id", guid_of("msi " + identity.client_id));
    identity.resource_id = reader.text("msi_res_id", "");
    identity.system = reader.boolean("system", false);
    identity.lifetime_seconds = reader.integer("lifetime", 86400);
    identity.roles = reader.texts("roles", {"SMTP.SendAsApp", "Mail.Send"});
    identity.mailboxes = reader.texts("mailboxes", {});
    identity.tenant = reader.text("tenant", "contoso.test");
    return reader.problem().empty() ? std::variant<ManagedIdentity, std::string>(identity)
                                    : reader.problem();
}

bool ManagedIdentityRoom::claim(const HttpRequest& request, RequestRecord& record) const {
    if (request.path != "/metadata/identity/oauth2/token" || request.tls) {
        return false;
    }
    const auto asked = query_parameters(request.query);
    record.room = "metadata";
    record.endpoint = is_arc_version(get(asked, "api-version")) ? "arc" : "imds";
    record.client_id = get(asked, "client_id");
    record.scope = get(asked, "resource");
    record.client_auth = request.header("Authorization").empty() ? "none" : "basic";
    for (const auto& [name, value] : asked) {
        record.parameters.push_back(name);
        record.login[name] = value;  // nothing of it is secret
    }
    return true;
}

HttpAnswer ManagedIdentityRoom::serve(const HttpRequest& request, RequestRecord& record,
                                      const Twists& twists, WallTime now) {
    const Parameters asked = query_parameters(request.query);
    if (request.method != "GET") {
        return identity_error(405, "method_not_allowed", "Only GET is allowed");
    }
    if (request.header("Metadata") != "true") {
        return identity_error(400, "bad_request_102", "Required metadata header not specified");
    }
    if (!request.header("X-Forwarded-For").empty()) {
        return identity_error(400, "bad_request", "X-Forwarded-For header is not allowed");
    }
    const std::string resource = get(asked, "resource");
    if (resource.empty()) {
        return identity_error(400, "invalid_request", "Required audience parameter not specified");
    }
    if (resource.size() > 9 && resource.compare(resource.size() - 9, 9, "/.default") == 0) {
        return identity_error(400, "invalid_resource",
                              "AADSTS500011: The resource principal named " + resource +
                                  " was not found in the tenant.");
    }
    return record.endpoint == "arc" ? serve_arc(request, asked, record, twists, now)
                                    : serve_imds(asked, record, twists, now);
}

HttpAnswer ManagedIdentityRoom::serve_imds(const Parameters& asked, RequestRecord& record,
                                           const Twists& twists, WallTime now) {
    if (get(asked, "api-version") != kImdsVersion) {
        return identity_error(400, "bad_request", "The api-version is missing or not supported");
    }
    const std::string client_id = get(asked, "client_id");
    const std::string object_id = get(asked, "object_id");
    const std::string resource_id = get(asked, "msi_res_id");
    const int named =
        (client_id.empty() ? 0 : 1) + (object_id.empty() ? 0 : 1) + (resource_id.empty() ? 0 : 1);
    if (named > 1) {
        return identity_error(400, "invalid_request", "Only one identity may be named");
    }
    const auto& all = state_.imds;
    const auto found = std::find_if(all.begin(), all.end(), [&](const ManagedIdentity& one) {
        return named == 0 ? one.system || all.size() == 1
                          : one.client_id == client_id ||
                                (!object_id.empty() && one.object_id == object_id) ||
                                (!resource_id.empty() && iequals(one.resource_id, resource_id));
    });
    if (found == all.end()) {
        const bool several = named == 0 && all.size() > 1;
        return identity_error(400, "invalid_request",
                              several ? "Multiple user assigned identities exist, please specify "
                                        "the clientId / resourceId of the identity in the token "
                                        "request"
                                      : "Identity not found");
    }
    return hand_out(*found, asked, record, twists, now);
}

HttpAnswer ManagedIdentityRoom::serve_arc(const HttpRequest& request, const Parameters& asked,
                                          RequestRecord& record, const Twists& twists,
                                          WallTime now) {
    if (!state_.arc) {
        return identity_error(404, "not_found", "No agent is here");
    }
    const std::string authorization = request.header("Authorization");
    if (authorization.empty()) {
        return challenge();
    }
    constexpr std::string_view kBasic = "Basic ";
    const bool basic = authorization.rfind(kBasic, 0) == 0;
    const auto key = state_.arc_keys.find(basic ? authorization.substr(kBasic.size()) : "");
    if (key == state_.arc_keys.end()) {
        return identity_error(403, "forbidden", "The challenge was not met");
    }
    (void)unlink(key->second.c_str());  // the test may have taken it away
    state_.arc_keys.erase(key);
    return hand_out(*state_.arc, asked, record, twists, now);
}

HttpAnswer ManagedIdentityRoom::challenge() {
    // Half as many bytes, in hex.
    const std::string content = hex(random_bytes((state_.arc_key_bytes + 1) / 2));
    const std::string path = state_.arc_directory + "/" + guid() + ".key";
    if (!write_file(path, content, 0640)) {
        log_line("arc_key", {{"error", "cannot be written"}, {"path", path}});
    }
    state_.arc_keys[content] = path;
    HttpAnswer answer = identity_error(401, "unauthorized", "The challenge has to be met");
    answer.set_header("WWW-Authenticate", "Basic realm=" + state_.arc_realm.value_or(path));
    return answer;
}

HttpAnswer ManagedIdentityRoom::hand_out(const ManagedIdentity& identity, const Parameters& asked,
                                         RequestRecord& record, const Twists& twists,
                                         WallTime now) {
    record.client_id = identity.client_id;
    MintOrder order;
    order.client_id = identity.client_id;
    order.tenant = identity.tenant;
    order.issuer = base_url_ + "/" + tenant_guid(identity.tenant) + "/v2.0";
    order.audience = get(asked, "resource");
    order.lifetime_seconds = twists.expired ? kExpiredSeconds : identity.lifetime_seconds;
    order.roles = identity.roles;
    order.foreign_key = twists.foreign_key;
    order.extra_claims["oid"] = identity.object_id;
    order.extra_claims["sub"] = identity.object_id;
    if (!identity.resource_id.empty()) {
        order.extra_claims["xms_mirid"] = identity.resource_id;
    }
    if (!twists.kid.empty()) {
        order.header["kid"] = twists.kid;
    }
    const std::int64_t now_seconds = unix_seconds(now);
    const std::string token = mint_.mint(order, now);
    Json::Value json;
    json["access_token"] = token;
    json["client_id"] = identity.client_id;
    json["expires_in"] = std::to_string(identity.lifetime_seconds);
    json["expires_on"] = std::to_string(now_seconds + identity.lifetime_seconds);
    json["ext_expires_in"] = std::to_string(identity.lifetime_seconds - 1);
    json["not_before"] = std::to_string(now_seconds - 300);
    json["resource"] = order.audience;
    json["token_type"] = "Bearer";
    record.token_fingerprint = fingerprint(token);
    records_.count_token_success();
    return identity_json(200, json);
}

}  // namespace postbearer::rehearsal
