// SPDX-License-Identifier: Apache-2.0
#include "login_control.hh"

#include "authorize_flow.hh"
#include "device_flow.hh"
#include "identity_control.hh"
#include "json.hh"

namespace postbearer::rehearsal {
namespace {

std::string joined(const std::vector<std::string>& path) {
    std::string text;
    for (const std::string& segment : path) {
        text += (text.empty() ? "" : "/") + segment;
    }
    return text;
}

ControlAnswer outcome(const std::string& problem) {
    return problem.empty() ? ControlAnswer() : control_fault(409, problem);
}

}  // namespace

std::optional<ControlAnswer> LoginControl::handle(const HttpRequest& request,
                                                  const std::vector<std::string>& path,
                                                  WallTime now) {
    const std::string what = joined(path);
    ControlAnswer answer;
    if (request.method == "GET" && what == "refresh_tokens") {
        answer.body = service_.logins().refresh_tokens.to_json();
        return answer;
    }
    if (request.method == "GET" && what == "device") {
        answer.body = service_.logins().devices.to_json();
        return answer;
    }
    if (request.method == "DELETE" && what == "logins") {
        service_.logins().forget();
        return answer;
    }
    if (request.method != "PUT" && request.method != "POST") {
        return std::nullopt;
    }
    const auto json = parse_json(request.body);
    return json ? write(what, *json, now) : std::nullopt;
}

std::optional<ControlAnswer> LoginControl::write(const std::string& what, const Json::Value& json,
                                                 WallTime now) {
    if (what == "device/approve") {
        return approve(json, now);
    }
    if (what == "device/deny") {
        return deny(json, now);
    }
    if (what == "refresh_tokens/revoke") {
        return revoke(json);
    }
    if (what == "mint_refresh") {
        return mint_refresh(json);
    }
    if (what == "imds") {
        return put_imds(json, service_.identities(), service_.clients());
    }
    if (what == "arc") {
        return put_arc(json, service_.identities(), service_.clients());
    }
    if (what == "google/service_accounts") {
        return put_service_accounts(json);
    }
    return std::nullopt;
}

ControlAnswer LoginControl::approve(const Json::Value& json, WallTime now) {
    ObjectReader reader(json);
    const std::string user_code = reader.text("user_code", "");
    const std::string user = reader.text("user", "");
    if (!reader.problem().empty()) {
        return control_fault(400, reader.problem());
    }
    return outcome(DeviceFlow(service_.logins(), service_.clients()).approve(user_code, user, now));
}

ControlAnswer LoginControl::deny(const Json::Value& json, WallTime now) {
    ObjectReader reader(json);
    const std::string user_code = reader.text("user_code", "");
    const std::string as = reader.text("as", "authorization_declined");
    if (!reader.problem().empty()) {
        return control_fault(400, reader.problem());
    }
    if (as != "authorization_declined" && as != "access_denied") {
        return control_fault(400, "'as' must be authorization_declined or access_denied");
    }
    return outcome(DeviceFlow(service_.logins(), service_.clients()).deny(user_code, as, now));
}

ControlAnswer LoginControl::revoke(const Json::Value& json) {
    ObjectReader reader(json);
    const std::string user = reader.text("user", "");
    const std::string fingerprint = reader.text("fingerprint", "");
    if (!reader.problem().empty()) {
        return control_fault(400, reader.problem());
    }
    ControlAnswer answer;
    answer.body["revoked"] =
        static_cast<Json::UInt64>(service_.logins().refresh_tokens.revoke(user, fingerprint));
    return answer;
}

ControlAnswer LoginControl::put_service_accounts(const Json::Value& json) {
    auto accounts = parse_service_accounts(json);
    if (const auto* problem = std::get_if<std::string>(&accounts)) {
        return control_fault(400, *problem);
    }
    service_.google_accounts() = std::get<std::vector<ServiceAccount>>(std::move(accounts));
    return {};
}

ControlAnswer LoginControl::mint_refresh(const Json::Value& json) {
    ObjectReader reader(json);
    UserGrant grant;
    grant.client_id = reader.text("client_id", "");
    grant.user = reader.text("user", "");
    grant.offline = true;
    const auto scope = reader.optional_text("scope");
    const auto tenant = reader.optional_text("tenant");
    const Client* const client = service_.clients().find(grant.client_id);
    if (!reader.problem().empty()) {
        return control_fault(400, reader.problem());
    }
    if (client == nullptr || !client->login.find_user(grant.user)) {
        return control_fault(400, "no such client or user");
    }
    grant.user = client->login.find_user(grant.user)->name;
    grant.tenant = tenant.value_or(client->tenant);
    const bool other = client->tenant == "oidc" || client->tenant == "google";
    grant.realm = other ? client->tenant : "entra";
    if (scope || !client->login.delegated_scopes) {
        LoginProvider provider;
        provider.entra = !other;
        auto scopes =
            grantable(provider, *client,
                      scope.value_or("https://outlook.office.com/SMTP.Send offline_access"));
        if (const auto* error = std::get_if<EntraError>(&scopes)) {
            return control_fault(400, error->description);
        }
        grant.scopes = std::get<std::vector<std::string>>(std::move(scopes));
    } else {
        grant.scopes = *client->login.delegated_scopes;
        grant.scopes.emplace_back("offline_access");
    }
    service_.logins().consents.add(grant);
    ControlAnswer answer;
    answer.status = 201;
    answer.body["refresh_token"] = service_.logins().refresh_tokens.issue(
        grant, 0, other ? (client->tenant == "google" ? "1//" : "") : "1.A");
    return answer;
}

}  // namespace postbearer::rehearsal
