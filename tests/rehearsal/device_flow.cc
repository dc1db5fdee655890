// SPDX-License-Identifier: Apache-2.0
#include "device_flow.hh"

#include "authorize_flow.hh"
#include "login_pages.hh"

namespace postbearer::rehearsal {

std::variant<Json::Value, EntraError> DeviceFlow::begin(const LoginProvider& provider,
                                                        const Client& client,
                                                        const std::string& scope, WallTime now) {
    if (scope.empty()) {
        return entra_error(900144, "scope");
    }
    // No scope comes with the polls, so one answer has to do.
    if (provider.entra && parse_entra_scopes(scope).resources().size() > 1) {
        return entra_error(28000, scope);
    }
    auto scopes = grantable(provider, client, scope);
    if (const auto* error = std::get_if<EntraError>(&scopes)) {
        return *error;
    }
    UserGrant grant{provider.realm, provider.tenant, client.id, "", {}, "", false};
    grant.scopes = std::get<std::vector<std::string>>(std::move(scopes));
    grant.offline = contains_scope(grant.scopes, "offline_access");
    const auto started = state_.devices.start(std::move(grant), client.login, now);
    Json::Value json;
    json["user_code"] = started.user_code;
    json["device_code"] = started.device_code;
    json["verification_uri"] = provider.device_page;
    json["expires_in"] = static_cast<Json::Int64>(client.login.device_expires);
    json["interval"] = static_cast<Json::Int64>(client.login.device_interval);
    if (provider.entra) {
        json["message"] = "To sign in, use a web browser to open the page " + provider.device_page +
                          " and enter the code " + started.user_code + " to authenticate.";
    } else {
        json["verification_uri_complete"] =
            provider.device_page + "?user_code=" + started.user_code;
    }
    return json;
}

HttpAnswer DeviceFlow::page(const HttpRequest& request, RequestRecord& record, WallTime now) {
    auto parameters = page_parameters(request);
    const std::string user_code = parameters["user_code"];
    const std::string user = parameters["user"];
    SignInPage page{"Enter code", request.path, "", {}, user, true, user_code, ""};
    const UserGrant* const waiting = state_.devices.pending(user_code, now);
    if (waiting != nullptr) {
        record.client_id = waiting->client_id;
        page.client_id = waiting->client_id;
        page.scopes = waiting->scopes;
    }
    if (request.method != "POST" && user.empty()) {
        return sign_in_page(page);
    }
    record.login["user"] = user;
    const bool declined = parameters["decision"] == "decline";
    const bool entra = waiting != nullptr && waiting->realm == "entra";
    const char* const refusal = entra ? "authorization_declined" : "access_denied";
    page.notice = declined ? deny(user_code, refusal, now) : approve(user_code, user, now);
    if (!page.notice.empty()) {
        return sign_in_page(page);
    }
    return message_page(200, declined ? "Cancelled" : "You have signed in",
                        "You may close this page and go back to the device.");
}

std::string DeviceFlow::approve(const std::string& user_code, const std::string& name,
                                WallTime now) {
    const UserGrant* const waiting = state_.devices.pending(user_code, now);
    if (waiting == nullptr) {
        return "That code didn't work. Check the code and try again.";
    }
    const Client* const client = clients_.find(waiting->client_id);
    const auto user = client == nullptr ? std::nullopt : client->login.find_user(name);
    if (!user || user->state == "deleted") {
        return "AADSTS50034: " + entra_error(50034, name).description;
    }
    if (user->state == "disabled" || user->state == "blocked") {
        const EntraError why = entra_error(user->state == "disabled" ? 50057 : 53003, name);
        return "AADSTS" + std::to_string(why.code) + ": " + why.description;
    }
    if (user->state == "declined") {
        return deny(user_code, "authorization_declined", now);
    }
    UserGrant grant = *waiting;
    grant.user = user->name;
    state_.consents.add(grant);
    state_.devices.approve(user_code, *user);
    return {};
}

std::string DeviceFlow::deny(const std::string& user_code, const std::string& as, WallTime now) {
    if (state_.devices.pending(user_code, now) == nullptr) {
        return "That code didn't work. Check the code and try again.";
    }
    state_.devices.deny(user_code, as);
    return {};
}

}  // namespace postbearer::rehearsal
