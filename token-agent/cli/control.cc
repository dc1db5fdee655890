// SPDX-License-Identifier: Apache-2.0

// postbearer refresh, reload and check-config; the last two for both daemons.

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "common/text.hh"
#include "token-agent/admin_json.hh"
#include "token-agent/cli/command.hh"
#include "token-agent/cli/milter.hh"
#include "token-agent/cli/stopped_service.hh"
#include "token-agent/config_loader.hh"

namespace postbearer::cli {
namespace {

void print_refreshed(const Json::Value& row, bool dry_run) {
    std::string name = shown(row["provider"]) + " " + shown(row["resource"]);
    if (const std::string account = shown(row["account"]); !account.empty()) {  // a login's own
        name = account + " (" + name + ")";
    }
    if (dry_run) {
        (void)std::printf("%s: would be refreshed\n", name.c_str());
    } else if (row["ok"].asBool()) {
        (void)std::printf("%s: refreshed, fingerprint %s\n", name.c_str(),
                          shown(row["fingerprint"]).c_str());
    } else {
        (void)std::printf("%s: FAILED: %s\n", name.c_str(), shown(row["error"]["message"]).c_str());
    }
}

Json::Value lines_json(const std::vector<std::string>& lines) {
    Json::Value json(Json::arrayValue);
    for (const std::string& line : lines) {
        json.append(line);
    }
    return json;
}

std::vector<std::string> lines_of(std::string_view text) {
    constexpr std::size_t kMaxLineBytes = 1024;
    std::vector<std::string> lines;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        lines.push_back(printable(text.substr(0, end), kMaxLineBytes));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return lines;
}

/// What concerns the agent: the exit code, and with --json the document to print.
struct AgentPart {
    int code = kDone;
    Json::Value json;
};

int both_daemons(const Options& options, AgentPart agent, const std::string& task) {
    const auto milter = run_milter(options, task, options.json ? Output::Kept : Output::Shown);
    if (!agent.json.isNull()) {
        if (milter) {
            agent.json["milter"]["ok"] = milter->code == kDone;
            agent.json["milter"]["output"] = lines_json(lines_of(milter->output));
        }
        print_json(agent.json);
    }
    return agent.code != kDone || !milter ? agent.code : milter->code;
}

AgentPart reload_agent(const Options& options) {
    const auto json = call_admin(options, "reload", Json::Value(Json::objectValue));
    if (!json) {
        return {fail("reload", json.error().context), Json::Value()};
    }
    const bool good = (*json)["ok"].asBool();
    if (options.json) {
        return {good ? kDone : kBadConfig, *json};
    }
    for (const Json::Value& line : (*json)["errors"]) {
        (void)std::fprintf(stderr, "%s\n", shown(line).c_str());
    }
    for (const Json::Value& line : (*json)["warnings"]) {
        (void)std::fprintf(stderr, "warning: %s\n", shown(line).c_str());
    }
    if (!good) {
        return {fail("reload", "the old configuration stays in force", kBadConfig), Json::Value()};
    }
    (void)std::puts("reloaded");
    return {};
}

/// credential:NAME is what systemd gave to our service: root sees it beside the running one, too.
agent::ConfigResult load_as_the_service(const Options& options) {
    constexpr const char* kVariable = "CREDENTIALS_DIRECTORY";
    constexpr const char* kOfService = "/run/credentials/postbearer-agent.service";
    const bool of_service = options.config == POSTBEARER_CONFIG_DIR "/agent.toml" &&
                            ::access("/run/systemd/system", F_OK) == 0;
    if (of_service && std::getenv(kVariable) == nullptr) {
        if (::access(kOfService, F_OK) != 0) {
            return agent::load_config(options.config, StoppedService(CredentialPlaces()));
        }
        (void)::setenv(kVariable, kOfService, 0);
    }
    return agent::load_config(options.config);
}

AgentPart check_agent(const Options& options) {
    const agent::ConfigResult loaded = load_as_the_service(options);
    const std::vector<std::string> none;
    const std::vector<std::string>& errors = loaded ? none : loaded.error();
    const std::vector<std::string>& warnings = loaded ? loaded->warnings : none;
    if (options.json) {
        Json::Value json = agent::document("check_config");
        json["ok"] = loaded.has_value();
        json["errors"] = lines_json(errors);
        json["warnings"] = lines_json(warnings);
        return {loaded ? kDone : kBadConfig, json};
    }
    for (const std::string& line : errors) {
        (void)std::fprintf(stderr, "%s\n", line.c_str());
    }
    for (const std::string& line : warnings) {
        (void)std::fprintf(stderr, "warning: %s\n", line.c_str());
    }
    if (!loaded) {
        return {kBadConfig, Json::Value()};
    }
    (void)std::printf("%s: good; %zu accounts, %zu providers\n", options.config.c_str(),
                      loaded->config->accounts.size(), loaded->config->providers.size());
    return {};
}

}  // namespace

int run_refresh(const Options& options) {
    if (options.arguments.empty() != options.all) {
        return fail("refresh", "name one ACCOUNT, or say --all", kUsage);
    }
    if (!options.all && !options.provider.empty()) {
        return fail("refresh", "--provider goes with --all: an ACCOUNT has one provider", kUsage);
    }
    Json::Value arguments(Json::objectValue);
    if (!options.all) {
        arguments["account"] = options.arguments.front();
    }
    if (!options.provider.empty()) {
        arguments["provider"] = options.provider;
    }
    if (options.expiring_within) {
        arguments["expiring_within"] = static_cast<Json::Int64>(*options.expiring_within);
    }
    arguments["dry_run"] = options.dry_run;
    const auto json = call_all_pages(options, "refresh", arguments, "results");
    if (!json) {
        return fail("refresh", json.error().context);
    }
    bool all_good = true;
    for (const Json::Value& row : (*json)["results"]) {
        all_good = all_good && (options.dry_run || row["ok"].asBool());
        if (!options.json) {
            print_refreshed(row, options.dry_run);
        }
    }
    if (options.json) {
        print_json(*json);
    } else if ((*json)["results"].empty()) {
        (void)std::puts("nothing to refresh: no token has been asked for that fits");
    }
    return all_good ? kDone : kFailed;
}

int run_reload(const Options& options) {
    return both_daemons(options, reload_agent(options), "--reload");
}

int run_check_config(const Options& options) {
    return both_daemons(options, check_agent(options), "--check-config");
}

}  // namespace postbearer::cli
