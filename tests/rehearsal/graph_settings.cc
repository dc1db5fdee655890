// SPDX-License-Identifier: Apache-2.0
#include "graph_settings.hh"

#include "json.hh"

namespace postbearer::rehearsal {
namespace {

struct Choice {
    const char* name;
    std::string GraphSettings::*member;
    const char* allowed;  // "|a|b|"
};
constexpr Choice kChoices[] = {
    {"x_headers", &GraphSettings::x_headers, "|primed|keep|drop|"},
    {"auto_submitted", &GraphSettings::auto_submitted, "|drop|keep|"},
    {"list_headers", &GraphSettings::list_headers, "|drop|keep|"},
    {"other_headers", &GraphSettings::other_headers, "|drop|keep|"},
    {"received", &GraphSettings::received, "|drop|keep|"},
    {"message_id", &GraphSettings::message_id, "|keep|replace|"},
    {"date", &GraphSettings::date, "|keep|replace|"},
    {"groups", &GraphSettings::groups, "|accept|refuse_empty|refuse|"},
    {"bcc_only", &GraphSettings::bcc_only, "|accept|refuse|"},
    {"resent", &GraphSettings::resent, "|ignore|deliver|"},
    {"at_in_display_name", &GraphSettings::at_in_display_name, "|refuse|accept|"},
    {"multiple_from", &GraphSettings::multiple_from, "|refuse|accept|"},
    {"missing_from", &GraphSettings::missing_from, "|accept|refuse|"},
    {"roles", &GraphSettings::roles, "|require|ignore|"},
    {"sent_items", &GraphSettings::sent_items, "|keep|delete|"},
    {"immutable_id", &GraphSettings::immutable_id, "|stable|changes|"},
    {"second_send", &GraphSettings::second_send, "|not_found|accepted|sends_again|"},
    {"upload_authorization", &GraphSettings::upload_authorization, "|refuse|ignore|"},
    {"over_limit", &GraphSettings::over_limit, "|413|413_empty|200|400|"},
    {"keep", &GraphSettings::keep, "|memory|files|none|"},
    {"record_requests", &GraphSettings::record_requests, "|no|yes|"},
};

struct Number {
    const char* name;
    std::int64_t GraphSettings::*member;
};
constexpr Number kNumbers[] = {
    {"sent_lag_ms", &GraphSettings::sent_lag_ms},
    {"lookup_lag_ms", &GraphSettings::lookup_lag_ms},
    {"draft_lag_requests", &GraphSettings::draft_lag_requests},
};

struct Limit {
    const char* name;
    std::int64_t GraphLimits::*member;
};
constexpr Limit kLimits[] = {
    {"body_bytes", &GraphLimits::body_bytes},
    {"message_bytes", &GraphLimits::message_bytes},
    {"recipients", &GraphLimits::recipients},
    {"concurrent", &GraphLimits::concurrent},
    {"app_concurrent", &GraphLimits::app_concurrent},
    {"requests", &GraphLimits::requests},
    {"requests_seconds", &GraphLimits::requests_seconds},
    {"upload_bytes", &GraphLimits::upload_bytes},
    {"upload_seconds", &GraphLimits::upload_seconds},
    {"attachment_bytes", &GraphLimits::attachment_bytes},
    {"session_min_bytes", &GraphLimits::session_min_bytes},
    {"session_max_bytes", &GraphLimits::session_max_bytes},
    {"chunk_bytes", &GraphLimits::chunk_bytes},
    {"session_seconds", &GraphLimits::session_seconds},
    {"read_bytes", &GraphLimits::read_bytes},
};

}  // namespace

std::variant<GraphSettings, std::string> parse_graph_settings(const Json::Value& json) {
    ObjectReader reader(json);
    GraphSettings settings;
    for (const Choice& choice : kChoices) {
        std::string& value = settings.*choice.member;
        value = reader.text(choice.name, value);
        if (std::string(choice.allowed).find("|" + value + "|") == std::string::npos) {
            return std::string("'") + choice.name + "' must be one of " + choice.allowed;
        }
    }
    for (const Number& number : kNumbers) {
        settings.*number.member = reader.integer(number.name, settings.*number.member);
    }
    settings.audiences = reader.texts("audience", settings.audiences);
    settings.revoked = reader.texts("revoked", {});
    if (!reader.problem().empty()) {
        return reader.problem();
    }
    return settings;
}

Json::Value to_json(const GraphSettings& settings) {
    Json::Value json;
    for (const Choice& choice : kChoices) {
        json[choice.name] = settings.*choice.member;
    }
    for (const Number& number : kNumbers) {
        json[number.name] = static_cast<Json::Int64>(settings.*number.member);
    }
    json["audience"] = to_json(settings.audiences);
    json["revoked"] = to_json(settings.revoked);
    return json;
}

std::variant<GraphLimits, std::string> parse_graph_limits(const Json::Value& json) {
    ObjectReader reader(json);
    GraphLimits limits;
    for (const Limit& limit : kLimits) {
        std::int64_t& value = limits.*limit.member;
        value = reader.integer(limit.name, value);
        if (value < 0) {
            return std::string("'") + limit.name + "' must not be negative";
        }
    }
    if (!reader.problem().empty()) {
        return reader.problem();
    }
    return limits;
}

Json::Value to_json(const GraphLimits& limits) {
    Json::Value json;
    for (const Limit& limit : kLimits) {
        json[limit.name] = static_cast<Json::Int64>(limits.*limit.member);
    }
    return json;
}

}  // namespace postbearer::rehearsal
