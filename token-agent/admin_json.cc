// SPDX-License-Identifier: Apache-2.0
#include "token-agent/admin_json.hh"

#include <json/reader.h>
#include <json/writer.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "common/base64.hh"
#include "common/text.hh"
#include "token-agent/providers.hh"

namespace postbearer::agent {
namespace {

using protocol::FailureClass;

Json::Int64 count(std::chrono::milliseconds time) {
    return std::chrono::floor<std::chrono::seconds>(time).count();
}

std::string text(std::string_view view) { return std::string(view); }

/// The worse of two states, for the row's own.
int severity(std::string_view state) {
    constexpr std::string_view kOrder[] = {"configured", "active",     "refreshing", "degraded",
                                           "stale",      "needs_user", "needs_admin"};
    const auto* const found = std::find(std::begin(kOrder), std::end(kOrder), state);
    return static_cast<int>(found - std::begin(kOrder));
}

bool parse_object(std::string_view bytes, Json::Value& out) {
    Json::CharReaderBuilder builder;
    Json::CharReaderBuilder::strictMode(&builder.settings_);
    builder.settings_["stackLimit"] = 16;
    const std::unique_ptr<Json::CharReader> reader(builder.newCharReader());
    std::string errors;
    try {  // jsoncpp throws when the depth limit is passed
        return reader->parse(bytes.data(), bytes.data() + bytes.size(), &out, &errors) &&
               out.isObject();
    } catch (const std::exception&) {
        return false;
    }
}

void add_login(Json::Value& json, const std::optional<LoginNote>& login) {
    if (!login) {
        return;
    }
    if (!login->trouble.empty()) {
        json["login_trouble"] = login->trouble;
    }
    if (login->logged_in_at) {
        json["logged_in_at"] =
            static_cast<Json::Int64>(login->logged_in_at->time_since_epoch().count());
        json["used_at"] = static_cast<Json::Int64>(login->used_at.time_since_epoch().count());
        json["generation"] = static_cast<Json::UInt64>(login->generation);
        if (!login->user.empty()) {
            json["signed_in_user"] = login->user;
        }
    }
}

}  // namespace

std::string_view name_of(Grant grant) noexcept {
    constexpr std::string_view kNames[] = {"client_credentials", "delegated", "service_account"};
    return kNames[static_cast<std::size_t>(grant)];
}

std::string_view state_of(const TokenStatus& status) noexcept {
    const bool has_token = !status.fingerprint.empty();
    if (status.failures > 0 && status.last_failure) {
        const FailureClass failure_class = status.last_failure->answer.failure_class;
        if (failure_class == FailureClass::NeedsUser) {
            return "needs_user";
        }
        if (failure_class != FailureClass::Transient) {
            return "needs_admin";
        }
        return has_token ? "degraded" : "stale";
    }
    if (status.renewing) {
        return "refreshing";
    }
    return has_token ? "active" : "configured";
}

Json::Value failure_json(const FetchFailure& failure) {
    Json::Value json(Json::objectValue);
    json["class"] = text(name_of(failure.answer.failure_class));
    json["code"] = text(name_of(failure.answer.code));
    json["message"] = failure.answer.message;
    if (!failure.answer.hint.empty()) {
        json["hint"] = failure.answer.hint;
    }
    if (failure.http_status != 0) {
        json["http_status"] = static_cast<Json::Int64>(failure.http_status);
    }
    if (!failure.trace_id.empty()) {
        json["trace_id"] = failure.trace_id;
    }
    if (!failure.correlation_id.empty()) {
        json["correlation_id"] = failure.correlation_id;
    }
    if (failure.clock_skew) {
        json["clock_skew"] = static_cast<Json::Int64>(failure.clock_skew->count());
    }
    return json;
}

Json::Value token_json(const TokenStatus& status) {
    Json::Value json(Json::objectValue);
    json["provider"] = status.provider;
    json["resource"] = text(name_of(status.resource));
    json["state"] = text(state_of(status));
    if (!status.fingerprint.empty()) {
        json["fingerprint"] = status.fingerprint;
        json["seconds_left"] = count(status.left);
        json["renews_in"] = count(status.renews_in);
    }
    if (status.expires_at) {
        json["expires_at"] =
            static_cast<Json::Int64>(status.expires_at->time_since_epoch().count());
    }
    if (status.last_failure) {
        json["last_error"] = failure_json(*status.last_failure);
        json["failures"] = status.failures;
        json["retry_in"] = count(status.retry_in);
    }
    return json;
}

Json::Value account_json(const AgentConfig& config, const AccountRule& rule,
                         std::string_view shown_as, const std::vector<TokenStatus>& tokens,
                         const std::optional<LoginNote>& login) {
    const ProviderConfig& provider = config.providers[rule.provider];
    Json::Value json(Json::objectValue);
    json["account"] = text(shown_as);
    json["rule"] = rule.match;
    json["provider"] = provider.name;
    json["provider_type"] = text(name_of(provider.type));
    json["grant"] = text(name_of(rule.grant));
    if (!rule.user.empty()) {
        json["user"] = rule.user;
    }
    std::string_view state = "configured";
    if (rule.grant == Grant::Delegated) {
        json["login"] = rule.login.empty() ? text(shown_as) : rule.login;
        add_login(json, login);
        if (login && !login->logged_in_at) {
            state = "needs_user";
        }
    }
    json["tokens"] = Json::Value(Json::arrayValue);
    for (const TokenStatus& token : tokens) {
        if (token.grant != rule.grant) {
            continue;
        }
        json["tokens"].append(token_json(token));
        if (severity(state_of(token)) > severity(state)) {
            state = state_of(token);
        }
    }
    json["state"] = text(state);
    return json;
}

namespace {

/// Words of the server, on their way to root's terminal. Lists keep their words; what is neither a
/// word, a number nor a list has no place among the claims that are shown.
Json::Value shown_claim(const Json::Value& claim) {
    constexpr std::size_t kMaxWordBytes = 1024;
    if (claim.isString()) {
        return printable(claim.asString(), kMaxWordBytes);
    }
    if (!claim.isArray()) {
        return claim.isNumeric() || claim.isBool() ? claim : Json::Value();
    }
    Json::Value words(Json::arrayValue);
    for (const Json::Value& each : claim) {
        if (each.isString()) {
            words.append(printable(each.asString(), kMaxWordBytes));
        }
    }
    return words;
}

}  // namespace

Json::Value claims_json(const Secret& token) {
    Json::Value json(Json::objectValue);
    json["type"] = "opaque";
    const std::string_view bytes = token.reveal();
    const std::size_t first = bytes.find('.');
    const std::size_t second = first == std::string_view::npos ? first : bytes.find('.', first + 1);
    if (second == std::string_view::npos) {
        return json;
    }
    const auto payload = base64_decode(bytes.substr(first + 1, second - first - 1));
    Json::Value claims;
    if (!payload || !parse_object(view(*payload), claims)) {
        return json;
    }
    json["type"] = "JWT";
    for (const char* name : {"aud", "iss", "exp", "nbf", "roles", "scp", "scope", "appid", "azp",
                             "tid", "upn", "idtyp", "ver"}) {
        if (Json::Value claim = shown_claim(claims[name]); !claim.isNull()) {
            json["claims"][name] = std::move(claim);
        }
    }
    return json;
}

Json::Value document(std::string_view kind) {
    Json::Value json(Json::objectValue);
    json["version"] = 1;
    json["kind"] = text(kind);
    return json;
}

std::string compact(const Json::Value& value) {
    Json::StreamWriterBuilder builder;
    builder["indentation"] = "";
    return Json::writeString(builder, value);
}

}  // namespace postbearer::agent
