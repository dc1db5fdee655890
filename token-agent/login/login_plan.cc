// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/login_plan.hh"

#include <json/value.h>

#include <optional>
#include <utility>

#include "common/http/url.hh"
#include "token-agent/admin_answer.hh"
#include "token-agent/admin_json.hh"
#include "token-agent/login/login_endpoints.hh"
#include "token-agent/login/login_failure.hh"
#include "token-agent/providers.hh"

namespace postbearer::agent {

using protocol::FailureClass;
using protocol::FailureCode;

namespace {

std::string_view name_of_cloud(Cloud cloud) {
    constexpr std::string_view kNames[] = {"global", "gcc", "gcc-high", "dod", "china"};
    return kNames[static_cast<std::size_t>(cloud)];
}

Json::Value plan_json(const LoginOrder& order, const LoginEndpoints& endpoints) {
    const ProviderConfig& provider = order.provider_config();
    Json::Value json = document("login_plan");
    json["account"] = order.account;
    json["login"] = order.login;
    json["provider"] = provider.name;
    json["provider_type"] = std::string(name_of(provider.type));
    json["cloud"] = std::string(name_of_cloud(provider.cloud));
    json["tenant"] = provider.tenant;
    json["client_id"] = provider.client_id;
    json["confidential"] = !provider.credentials.empty();
    json["authority"] =
        http::host_of(endpoints.authorization.empty() ? endpoints.device : endpoints.authorization);
    json["redirect_uri"] =
        provider.redirect_uri.empty() ? "http://localhost" : provider.redirect_uri;
    json["flows"] = Json::Value(Json::arrayValue);
    if (offers_device(provider, endpoints)) {
        json["flows"].append("device");
    }
    if (!endpoints.authorization.empty()) {
        json["flows"].append("code");
    }
    json["resources"] = resources_json(order.resources);
    json["logged_in"] = Json::Value();
    if (endpoints.undiscovered) {
        json["warnings"].append("provider '" + provider.name +
                                "' could not be discovered: " + endpoints.undiscovered->context);
    }
    return json;
}

/// A store that cannot be read now does not hide the rest.
void add_stored(Json::Value& json, const Result<std::optional<StoredLogin>>& found) {
    if (!found) {
        json["warnings"].append(found.error().context);
        return;
    }
    if (!found->has_value()) {
        return;
    }
    const StoredLogin& login = **found;
    Json::Value& row = json["logged_in"];
    row["user"] = login.user;
    row["logged_in_at"] = static_cast<Json::Int64>(login.logged_in_at.time_since_epoch().count());
    row["used_at"] = static_cast<Json::Int64>(login.used_at.time_since_epoch().count());
    row["generation"] = static_cast<Json::UInt64>(login.generation);
}

protocol::AgentFailure not_found(const LoginOrder& order, const Error& error) {
    return login_failure(
        error.code == Errc::Config ? FailureClass::NeedsAdmin : FailureClass::Transient,
        FailureCode::ProviderError,
        "provider '" + order.provider_config().name + "': " + error.context);
}

}  // namespace

Json::Value resources_json(const std::vector<Resource>& resources) {
    Json::Value list(Json::arrayValue);
    for (const Resource resource : resources) {
        list.append(std::string(name_of(resource)));
    }
    return list;
}

void answer_login_plan(Discovery& discovery, StoreQueue& store, const LoginOrder& order,
                       const Reply& reply) {
    find_login_endpoints(
        discovery, order.config, order.provider,
        [&store, order, reply](const Result<LoginEndpoints>& endpoints) {
            if (!endpoints) {
                reply(encode(not_found(order, endpoints.error())));
                return;
            }
            const ProviderConfig& provider = order.provider_config();
            ask_store<std::optional<StoredLogin>>(
                store,
                [name = RecordName{provider.name, order.login, provider.client_id}](
                    TokenStore& tokens) { return tokens.find_login(name); },
                [json = plan_json(order, *endpoints),
                 reply](const Result<std::optional<StoredLogin>>& found) {
                    Json::Value whole = json;
                    add_stored(whole, found);
                    answer_json(reply, whole);
                });
        });
}

}  // namespace postbearer::agent
