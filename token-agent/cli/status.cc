// SPDX-License-Identifier: Apache-2.0

// postbearer status and list.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.hh"
#include "common/text.hh"
#include "token-agent/cli/command.hh"
#include "token-agent/cli/other_plugins.hh"

namespace postbearer::cli {
namespace {

enum MonitorCode : int { kOk = 0, kWarning = 1, kCritical = 2, kUnknown = 3 };

Json::Value first_arguments(const Options& options) {
    Json::Value arguments(Json::objectValue);
    if (!options.arguments.empty()) {
        arguments["account"] = options.arguments.front();
    }
    return arguments;
}

/// The token that explains the row's state: the one in that state, else the first.
const Json::Value& telling_token(const Json::Value& row) {
    for (const Json::Value& token : row["tokens"]) {
        if (token["state"] == row["state"]) {
            return token;
        }
    }
    return row["tokens"][0];
}

std::string ago(const Json::Value& when) {
    const std::int64_t now = SystemClock().wall().time_since_epoch().count();
    return human_duration(std::max<std::int64_t>(now - when.asInt64(), 0)) + " ago";
}

/// What there is to say of the login of a delegated account; empty: nothing is amiss.
std::string login_trouble(const Json::Value& row) {
    if (row["login_trouble"].isString()) {
        return shown(row["login_trouble"]);
    }
    const std::string account = shown(row["account"]);
    // A rule for many (@domain, *) has no login of its own.
    const bool one = !account.empty() && account.front() != '@' && account != "*";
    const bool missing = row["grant"] == "delegated" && row["state"] == "needs_user" &&
                         !row["logged_in_at"].isInt64();
    return one && missing ? "not logged in: postbearer login " + account : "";
}

std::string detail_of(const Json::Value& row) {
    if (std::string trouble = login_trouble(row); !trouble.empty()) {
        return trouble;
    }
    const Json::Value& token = telling_token(row);
    std::string text;
    if (token.isMember("seconds_left")) {
        text = shown(token["resource"]) + ", " + human_duration(token["seconds_left"].asInt64()) +
               " left";
        if (token["state"] == "active") {
            text += ", renewed in " + human_duration(token["renews_in"].asInt64());
        }
    }
    if (token.isMember("last_error")) {
        text += (text.empty() ? "" : "; ") + shown(token["last_error"]["message"]);
        if (token["retry_in"].asInt64() > 0) {
            text += " (next try in " + human_duration(token["retry_in"].asInt64()) + ")";
        }
    }
    const bool logged_in = row["logged_in_at"].isInt64();
    if (text.empty()) {
        text = logged_in ? "logged in " + ago(row["logged_in_at"]) : "";
        if (row["state"] == "configured") {
            text += (logged_in ? ", " : "") + std::string("no token asked for yet");
        }
    } else if (logged_in && row["state"] == "needs_user" &&
               text.find("postbearer login") == std::string::npos) {
        text += "; log in again: postbearer login " + shown(row["account"]);
    }
    return text;
}

/// What concerns no single account: a store in trouble, credentials that end, plugins of others.
struct Warnings {
    std::vector<std::string> lines;
    bool urgent = false;  // a login is in memory only, a credential has ended, our plugin is idle
};

/// A plugin that libsasl2 does not prefer to ours is no trouble.
void warn_of_plugins(const std::vector<OtherPlugin>& others, Warnings& out) {
    for (const OtherPlugin& other : others) {
        if (other.taken == Taken::Other) {
            out.urgent = true;
            out.lines.insert(out.lines.begin(), sentence_about(other));
        } else if (other.taken == Taken::Undecided) {
            out.lines.push_back(sentence_about(other));
        }
    }
}

Warnings warnings_of(const Json::Value& json, const std::vector<OtherPlugin>& others) {
    Warnings out;
    const Json::Value& store = json["store"];
    if (store.isObject()) {
        if (store["unsaved"].isUInt64() && store["unsaved"].asUInt64() > 0) {
            out.urgent = true;
            out.lines.push_back(std::to_string(store["unsaved"].asUInt64()) +
                                " refresh tokens are in the agent's memory only; do not stop it, "
                                "free or repair the disk");
        }
        if (store["trouble"].isString()) {
            out.lines.push_back("store: " + shown(store["trouble"]));
        }
        if (store["set_aside"].isString()) {
            out.lines.push_back("the store was damaged and lies now at " +
                                shown(store["set_aside"]) + "; log in again or put back a backup");
        }
    }
    for (const Json::Value& each : json["ending_credentials"]) {
        const std::int64_t days = each["days_left"].isInt64() ? each["days_left"].asInt64() : 0;
        if (each["successor"].isBool() && each["successor"].asBool()) {
            continue;  // another credential of that provider lasts longer
        }
        out.urgent = out.urgent || days <= 0;
        out.lines.push_back(shown(each["provider"]) + ": " + shown(each["credential"]) +
                            (days > 0 ? " ends in " + std::to_string(days) + " days"
                                      : std::string(" has ended or ends today")));
    }
    warn_of_plugins(others, out);
    return out;
}

Json::Value json_of(const std::vector<OtherPlugin>& others) {
    Json::Value out(Json::arrayValue);
    for (const OtherPlugin& other : others) {
        Json::Value one;
        one["file"] = printable(other.file, other.file.size());
        one["mechanism"] = other.mechanism;
        one["taken"] = name_of(other.taken);
        out.append(one);
    }
    return out;
}

/// Nagios takes what follows the first '|' for performance data.
std::string without_bars(std::string text) {
    std::replace(text.begin(), text.end(), '|', '/');
    return text;
}

int print_monitor(const Json::Value& json, const std::vector<OtherPlugin>& others) {
    int code = kOk;
    int broken = 0;
    int degraded = 0;
    std::string worst;
    for (const Json::Value& row : json["accounts"]) {
        const std::string state = shown(row["state"]);
        if (state == "needs_user" || state == "needs_admin" || state == "stale") {
            ++broken;
            code = kCritical;
            if (worst.empty()) {
                worst = shown(row["account"]) + ": " + detail_of(row);
            }
        } else if (state == "degraded") {
            ++degraded;
            code = code == kOk ? kWarning : code;
        }
    }
    const Warnings warnings = warnings_of(json, others);
    if (!warnings.lines.empty()) {
        code = warnings.urgent ? kCritical : std::max<int>(code, kWarning);
        worst += (worst.empty() ? "" : "; ") + warnings.lines.front();
    }
    worst = without_bars(std::move(worst));
    const char* const name = code == kOk ? "OK" : code == kWarning ? "WARNING" : "CRITICAL";
    (void)std::printf(
        "POSTBEARER %s - %u accounts, %d broken, %d degraded%s%s"
        " | accounts=%u broken=%d degraded=%d handed_out=%lluc\n",
        name, json["accounts"].size(), broken, degraded, worst.empty() ? "" : "; ", worst.c_str(),
        json["accounts"].size(), broken, degraded,
        static_cast<unsigned long long>(json["agent"]["handed_out"].asUInt64()));
    return code;
}

}  // namespace

int run_status(const Options& options) {
    auto json = call_all_pages(options, "status", first_arguments(options), "accounts");
    if (!json) {
        if (options.monitor) {
            (void)std::printf("POSTBEARER UNKNOWN - %s\n", json.error().context.c_str());
            return kUnknown;
        }
        return fail("status", json.error().context);
    }
    const std::vector<OtherPlugin> others = other_plugins(plugin_places());
    if (options.monitor) {
        return print_monitor(*json, others);
    }
    if (options.json) {
        (*json)["other_plugins"] = json_of(others);
        print_json(*json);
        return kDone;
    }
    for (const std::string& line : warnings_of(*json, others).lines) {
        (void)std::fprintf(stderr, "warning: %s\n", line.c_str());
    }
    for (const OtherPlugin& other : others) {
        if (other.taken == Taken::Ours) {
            (void)std::fprintf(stderr, "note: %s\n", sentence_about(other).c_str());
        }
    }
    if (options.arguments.empty() && (*json)["accounts"].empty()) {
        (void)std::fprintf(stderr,
                           "no accounts yet: write [provider.NAME] and [[account]] into %s, then "
                           "run: postbearer check-config && postbearer reload\n",
                           options.config.c_str());
    }
    for (const Json::Value& row : (*json)["accounts"]) {
        (void)std::printf("%-32s %-12s %-11s %s\n", shown(row["account"]).c_str(),
                          shown(row["provider"]).c_str(), shown(row["state"]).c_str(),
                          detail_of(row).c_str());
    }
    return kDone;
}

int run_list(const Options& options) {
    const auto json = call_all_pages(options, "list", first_arguments(options), "accounts");
    if (!json) {
        return fail("list", json.error().context);
    }
    if (options.json) {
        print_json(*json);
        return kDone;
    }
    for (const Json::Value& row : (*json)["accounts"]) {
        (void)std::printf("%-32s %-12s %-18s %s\n", shown(row["account"]).c_str(),
                          shown(row["provider"]).c_str(), shown(row["grant"]).c_str(),
                          shown(row["where"]).c_str());
    }
    return kDone;
}

}  // namespace postbearer::cli
