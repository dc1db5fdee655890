// SPDX-License-Identifier: Apache-2.0

// postbearer token: over agent.sock, so that [[access]] decides who gets one; --test over the admin
// socket, where the token stays in the agent.

#include <errno.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "common/agent_client.hh"
#include "common/agent_messages.hh"
#include "token-agent/cli/command.hh"
#include "token-agent/socket_paths.hh"

namespace postbearer::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 35s;  // a little more than the longest wait_ms

bool write_all(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return false;
        }
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

std::string joined(const Json::Value& value) {
    if (!value.isArray()) {
        return shown(value);
    }
    std::string text;
    for (const Json::Value& each : value) {
        const std::string word = shown(each);
        text += (text.empty() || word.empty() ? "" : " ") + word;
    }
    return text;
}

int test_token(const Options& options) {
    Json::Value arguments(Json::objectValue);
    arguments["account"] = options.arguments.front();
    arguments["resource"] = options.resource;
    const auto json = call_admin(options, "inspect", arguments);
    if (!json) {
        return fail("token", json.error().context);
    }
    if (options.json) {
        print_json(*json);
        return kDone;
    }
    const Json::Value& token = (*json)["token"];
    const auto line = [](const char* name, const std::string& value) {
        if (!value.empty()) {
            (void)std::printf("%-12s %s\n", name, value.c_str());
        }
    };
    line("account", shown((*json)["account"]));
    line("provider", shown((*json)["provider"]));
    line("resource", shown((*json)["resource"]));
    line("type", shown(token["type"]));
    line("fingerprint", shown(token["fingerprint"]));
    line("expires in", human_duration(token["seconds_left"].asInt64()));
    for (const char* claim : {"aud", "iss", "appid", "azp", "upn", "roles", "scp", "scope"}) {
        if (token["claims"].isMember(claim)) {
            line(claim, joined(token["claims"][claim]));
        }
    }
    return kDone;
}

/// POSTBEARER_SOCKET first, as in the plugin, then the configuration's.
std::vector<std::string> agent_paths(const Options& options) {
    const char* const given = ::secure_getenv("POSTBEARER_SOCKET");
    if (given != nullptr && *given != '\0') {
        const std::string_view path(given);
        return {std::string(path.starts_with("unix:") ? path.substr(5) : path)};
    }
    return agent::load_socket_paths(options.config).agent;
}

}  // namespace

int run_token(const Options& options) {
    const auto resource = protocol::resource_from(options.resource);
    if (!resource) {
        return fail("token", "--resource is one of smtp, imap, pop, graph", kUsage);
    }
    if (options.test) {
        return test_token(options);
    }
    protocol::TokenRequest request;
    request.account = options.arguments.front();
    request.resource = *resource;
    request.wait = protocol::kMaxWait;
    AgentClient client(agent_paths(options));
    const auto answer = ask(client, encode(request), kPatience);
    if (!answer) {
        return fail("token", answer.error().context);
    }
    const protocol::TokenAnswer token = protocol::decode_token_answer(answer->reveal());
    if (!token) {
        return fail("token", token.error().message);
    }
    // write(2), not stdio: its buffer would keep a copy of the token.
    const std::string_view before =
        options.json ? R"({"version":1,"kind":"token","token":")" : std::string_view();
    const std::string_view after = options.json ? "\"}\n" : "\n";
    const bool written = write_all(before) && write_all(token->token.reveal()) && write_all(after);
    return written ? kDone : fail("token", "cannot write to standard output");
}

}  // namespace postbearer::cli
