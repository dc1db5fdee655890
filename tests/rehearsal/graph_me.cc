// SPDX-License-Identifier: Apache-2.0
#include "graph_me.hh"

#include <algorithm>
#include <array>

#include "graph_route.hh"
#include "login_scopes.hh"
#include "login_tokens.hh"

namespace postbearer::rehearsal {
namespace {

constexpr std::array<const char*, 5> kPermissions = {
    "User.Read", "User.ReadWrite", "User.ReadBasic.All", "User.Read.All", "Directory.Read.All"};

/// What stands in $select stays, and everything where there is none.
void select(Json::Value& body, const std::string& list) {
    if (list.empty()) {
        return;
    }
    const std::string names = "," + list + ",";
    for (const std::string& name : body.getMemberNames()) {
        if (name[0] != '@' && names.find("," + name + ",") == std::string::npos) {
            body.removeMember(name);
        }
    }
}

}  // namespace

std::variant<HttpAnswer, GraphError> who_is_me(const GraphAccess& access, const GraphState& state,
                                               const ClientRegistry& clients,
                                               const HttpRequest& request) {
    const Json::Value& claims = access.token->claims;
    const std::string upn = text_claim(claims, "upn");
    if (upn.empty()) {
        return bad_request("BadRequest",
                           "/me request is only valid with delegated authentication flow.");
    }
    const std::vector<std::string> scopes = parse_scopes(text_claim(claims, "scp")).permissions;
    const bool may_read =
        state.settings.roles == "ignore" ||
        std::any_of(kPermissions.begin(), kPermissions.end(),
                    [&](const char* name) { return contains_scope(scopes, name); });
    if (!may_read) {
        return GraphError{403, "Authorization_RequestDenied",
                          "Insufficient privileges to complete the operation.", ""};
    }
    Json::Value body;
    body["@odata.context"] = state.base_url + "/v1.0/$metadata#users/$entity";
    body["id"] = user_object_id(upn);
    body["userPrincipalName"] = upn;
    body["displayName"] = text_claim(claims, "name");
    const std::string mail = text_claim(claims, "email");
    body["mail"] = mail.empty() ? Json::Value() : Json::Value(mail);
    const Client* const client = clients.find(access.client_id);
    const auto user = client == nullptr ? std::nullopt : client->login.find_user(upn);
    if (user && !client->login.users.empty()) {  // as it is now, not when the token was made
        body["displayName"] = user->display_name;
        body["mail"] = user->mail ? Json::Value(*user->mail) : Json::Value();
    }
    select(body, query_parameters(request.query)["$select"]);
    return graph_json(200, body);
}

}  // namespace postbearer::rehearsal
