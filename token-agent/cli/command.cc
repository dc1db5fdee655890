// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/command.hh"

#include <json/reader.h>
#include <json/writer.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "common/agent_client.hh"
#include "common/agent_messages.hh"
#include "common/text.hh"
#include "token-agent/admin_json.hh"
#include "token-agent/socket_paths.hh"

namespace postbearer::cli {
namespace {

using namespace std::chrono_literals;

/// A refresh may take the provider's full time-out, and wait behind others.
constexpr auto kPatience = 40s;
constexpr auto kAgentAway = 2s;
constexpr std::size_t kMaxShownBytes = 4096;

Secret framed(std::string_view verb, std::string_view arguments) {
    protocol::MessageWriter writer(verb.size() + arguments.size() + 64);
    writer.add("request", verb).add("json", arguments);
    return std::move(writer).finish();
}

Result<Json::Value> call(const Options& options, const Secret& request) {
    AgentClient client({agent::load_socket_paths(options.config).admin}, protocol::kMaxAdminBytes);
    const auto answer = ask(client, request, kPatience);
    if (!answer) {
        return tl::unexpected(with_advice(answer.error()));
    }
    return parse_admin_answer(answer->reveal());
}

}  // namespace

Result<Json::Value> parse_admin_answer(std::string_view block) {
    const auto attributes = protocol::Attributes::parse(block);
    if (!attributes) {
        return failure(Errc::Protocol, "garbled answer, " + attributes.error().context);
    }
    if (attributes->value_or("status", "") != "ok") {
        std::string text =
            printable(attributes->value_or("message", "the agent gave an error without words"),
                      kMaxShownBytes);
        if (const auto hint = attributes->find("hint")) {
            text += " [" + printable(*hint, kMaxShownBytes) + "]";
        }
        return failure(Errc::Denied, std::move(text));
    }
    const std::string_view bytes = attributes->value_or("json", "null");
    Json::CharReaderBuilder builder;
    const std::unique_ptr<Json::CharReader> reader(builder.newCharReader());
    Json::Value json;
    std::string errors;
    if (!reader->parse(bytes.data(), bytes.data() + bytes.size(), &json, &errors)) {
        return failure(Errc::Protocol, "garbled answer: the json attribute is not JSON");
    }
    if (!json.isObject()) {
        return failure(Errc::Protocol, "garbled answer: no JSON document");
    }
    return json;
}

Error with_advice(Error error) {
    if (error.code == Errc::Unavailable) {
        error.context += "; start it with: systemctl start postbearer-agent";
    } else if (error.code == Errc::Denied) {
        error.context += "; be root, or a member of admin_group of [agent]";
    }
    return error;
}

Result<Json::Value> call_admin(const Options& options, std::string_view verb,
                               const Json::Value& arguments) {
    return call(options, framed(verb, agent::compact(arguments)));
}

Result<Json::Value> call_admin(const Options& options, std::string_view verb,
                               const Secret& arguments) {
    return call(options, framed(verb, arguments.reveal()));
}

Result<Json::Value> call_all_pages(const Options& options, std::string_view verb,
                                   Json::Value arguments, const char* rows) {
    auto whole = call_admin(options, verb, arguments);
    Json::Value cursor = whole ? (*whole)["next_cursor"] : Json::Value();
    while (whole && !cursor.isNull() && cursor != arguments["cursor"]) {
        arguments["cursor"] = cursor;
        auto page = call_admin(options, verb, arguments);
        if (!page) {
            return page;
        }
        for (Json::Value& row : (*page)[rows]) {
            (*whole)[rows].append(std::move(row));
        }
        if (page->isMember("store")) {
            (*whole)["store"] = (*page)["store"];
        }
        cursor = (*page)["next_cursor"];
    }
    if (whole) {
        whole->removeMember("next_cursor");
    }
    return whole;
}

Result<Secret> ask(AgentClient& client, const Secret& request, std::chrono::seconds patience) {
    // The client retries until its deadline, as a mail server wants it; the connection that
    // answers the ping is the one that the request takes.
    auto pong = client.round_trip(encode(protocol::Ping{}).reveal(), BootClock::now() + kAgentAway);
    if (!pong) {
        return pong;
    }
    return client.round_trip(request.reveal(), BootClock::now() + patience);
}

std::string shown(const Json::Value& value) {
    const bool is_word = value.isString() || value.isNumeric() || value.isBool();
    return is_word ? printable(value.asString(), kMaxShownBytes) : std::string();
}

void print_json(const Json::Value& json) { (void)std::puts(agent::compact(json).c_str()); }

int fail(std::string_view verb, std::string_view text, int code) {
    (void)std::fprintf(stderr, "postbearer %.*s: %.*s\n", static_cast<int>(verb.size()),
                       verb.data(), static_cast<int>(text.size()), text.data());
    return code;
}

std::string human_duration(std::int64_t seconds) {
    const auto two = [](std::int64_t a, const char* unit_a, std::int64_t b, const char* unit_b) {
        std::string text = std::to_string(a) + unit_a;
        if (b > 0) {
            text += " " + std::to_string(b) + unit_b;
        }
        return text;
    };
    if (seconds >= 86'400) {
        return two(seconds / 86'400, "d", seconds % 86'400 / 3'600, "h");
    }
    if (seconds >= 3'600) {
        return two(seconds / 3'600, "h", seconds % 3'600 / 60, "m");
    }
    if (seconds >= 60) {
        return two(seconds / 60, "m", seconds % 60, "s");
    }
    return std::to_string(seconds) + "s";
}

}  // namespace postbearer::cli
