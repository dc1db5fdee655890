// SPDX-License-Identifier: Apache-2.0
#include "login_settings.hh"

#include <algorithm>
#include <array>

#include "codec.hh"

namespace postbearer::rehearsal {
namespace {

constexpr std::array<std::string_view, 9> kUserStates = {
    "ok",       "declined", "disabled",         "deleted", "mfa", "password_changed",
    "inactive", "blocked",  "sign_in_frequency"};

/// A URI taken apart as far as redirects need it.
struct Uri {
    std::string origin;  // scheme and host, without the port
    std::string port;
    std::string path;
};

Uri split(std::string_view text) {
    Uri uri;
    const std::size_t scheme = text.find("://");
    const std::size_t host = scheme == std::string_view::npos ? 0 : scheme + 3;
    const std::size_t slash = std::min(text.find('/', host), text.size());
    std::string_view authority = text.substr(0, slash);
    const std::size_t colon = authority.rfind(':');
    if (colon != std::string_view::npos && colon > host && authority.back() != ']') {
        uri.port = authority.substr(colon + 1);
        authority = authority.substr(0, colon);
    }
    uri.origin = lower(authority);
    uri.path = slash == text.size() ? "/" : text.substr(slash);
    return uri;
}

bool is_loopback(const std::string& origin) {
    return origin == "http://localhost" || origin == "http://127.0.0.1" || origin == "http://[::1]";
}

std::string read_user(const std::string& name, const Json::Value& json, LoginUser& user) {
    ObjectReader reader(json);
    user.name = name;
    user.upn = reader.text("upn", name);
    user.mail = reader.optional_text("mail");
    if (!user.mail && !(json.isObject() && json.isMember("mail"))) {
        user.mail = user.upn;  // null stays null
    }
    user.display_name = reader.text("name", name);
    user.state = reader.text("state", "ok");
    if (!reader.problem().empty()) {
        return "user '" + name + "': " + reader.problem();
    }
    return std::find(kUserStates.begin(), kUserStates.end(), user.state) == kUserStates.end()
               ? "user '" + name + "': unknown state '" + user.state + "'"
               : "";
}

std::string read_federated(const Json::Value& list, std::vector<FederatedCredential>& known) {
    if (list.isNull()) {
        return {};
    }
    if (!list.isArray()) {
        return "'federated' must be a list";
    }
    for (const Json::Value& item : list) {
        ObjectReader reader(item);
        known.push_back({reader.text("issuer", ""), reader.text("subject", ""),
                         reader.text("audience", "api://AzureADTokenExchange"),
                         reader.text("public_key", "")});
        if (!reader.problem().empty()) {
            return "'federated': " + reader.problem();
        }
    }
    return {};
}

bool is_one_of(const std::string& text, std::initializer_list<const char*> choices) {
    return std::find(choices.begin(), choices.end(), text) != choices.end();
}

}  // namespace

std::optional<LoginUser> LoginSettings::find_user(std::string_view name) const {
    if (name.empty()) {
        return std::nullopt;
    }
    for (const auto& [key, user] : users) {
        if (iequals(key, name) || iequals(user.upn, name)) {
            return user;
        }
    }
    if (!users.empty()) {
        return std::nullopt;
    }
    const std::string text(name);
    return LoginUser{text, text, text, text, "ok"};
}

bool LoginSettings::allows_redirect(std::string_view uri) const {
    const Uri asked = split(uri);
    return std::any_of(redirect_uris.begin(), redirect_uris.end(), [&](const std::string& text) {
        const Uri known = split(text);
        const bool any_port = known.port.empty() && is_loopback(known.origin);  // RFC 8252, 7.3
        return known.origin == asked.origin && known.path == asked.path &&
               (any_port || known.port == asked.port);
    });
}

std::string read_login_settings(ObjectReader& reader, LoginSettings& settings) {
    settings.is_public = reader.boolean("public", false);
    settings.redirect_uris = reader.texts("redirect_uris", {});
    settings.certificates = reader.texts("certificates", {});
    settings.assertion_algorithms =
        reader.texts("assertion_algorithms", settings.assertion_algorithms);
    settings.refuse_replay = reader.boolean("refuse_replay", false);
    settings.rotation = reader.text("rotation", "lenient");
    if (!reader.any("delegated_scopes").isNull()) {
        settings.delegated_scopes = reader.texts("delegated_scopes", {});
    }
    settings.preconsented = reader.texts("preconsented", {});
    settings.auto_user = reader.optional_text("auto_user");
    settings.send_iss = reader.boolean("send_iss", false);
    settings.device_interval = reader.integer("device_interval", 5);
    settings.device_expires = reader.integer("device_expires", 900);
    settings.device_slow_downs = reader.integer("device_slow_downs", 0);
    settings.code_expires = reader.integer("code_expires", 600);
    settings.id_token_claims = reader.object("id_token_claims");
    settings.opaque = reader.boolean("opaque", true);
    if (!is_one_of(settings.rotation, {"lenient", "strict", "none"})) {
        return "'rotation' must be lenient, strict or none";
    }
    const Json::Value users = reader.object("users");
    for (const std::string& name : users.getMemberNames()) {
        std::string problem = read_user(name, users[name], settings.users[name]);
        if (!problem.empty()) {
            return problem;
        }
    }
    return read_federated(reader.any("federated"), settings.federated);
}

void describe_login_settings(const LoginSettings& settings, Json::Value& json) {
    json["public"] = settings.is_public;
    json["redirect_uris"] = to_json(settings.redirect_uris);
    json["certificates"] = static_cast<Json::UInt64>(settings.certificates.size());
    json["assertion_algorithms"] = to_json(settings.assertion_algorithms);
    json["federated"] = static_cast<Json::UInt64>(settings.federated.size());
    json["rotation"] = settings.rotation;
    json["delegated_scopes"] =
        settings.delegated_scopes ? to_json(*settings.delegated_scopes) : Json::Value();
    json["preconsented"] = to_json(settings.preconsented);
    json["users"] = Json::Value(Json::objectValue);
    for (const auto& [name, user] : settings.users) {
        json["users"][name] = user.state;
    }
}

}  // namespace postbearer::rehearsal
