// SPDX-License-Identifier: Apache-2.0
#include "token-agent/admin_service.hh"

#include <grp.h>
#include <json/reader.h>
#include <json/value.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "common/agent_protocol.hh"
#include "common/text.hh"
#include "token-agent/admin_answer.hh"
#include "token-agent/admin_json.hh"
#include "token-agent/secret_trail.hh"

namespace postbearer::agent {
namespace {

using namespace std::chrono_literals;
using protocol::FailureClass;
using protocol::FailureCode;

std::optional<gid_t> group_id(const std::string& name) {
    std::vector<char> memory(64 * 1024);
    group entry{};
    group* found = nullptr;
    if (name.empty() ||
        ::getgrnam_r(name.c_str(), &entry, memory.data(), memory.size(), &found) != 0 ||
        found == nullptr) {
        return std::nullopt;
    }
    return entry.gr_gid;
}

bool parse_arguments(std::string_view bytes, Json::Value& out) {
    if (bytes.empty()) {
        out = Json::Value(Json::objectValue);
        return true;
    }
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

/// Appends the accounts from `cursor` on, as many as fit into one answer.
template <typename RowOf>
void append_page(const AgentConfig& config, const Json::Value& arguments, Json::Value& json,
                 RowOf row_of) {
    const Json::Value& cursor = arguments["cursor"];
    std::size_t next = cursor.isUInt64() ? cursor.asUInt64() : 0;
    std::size_t rows = 0;
    std::size_t bytes = 0;
    Json::Value& list = json["accounts"] = Json::Value(Json::arrayValue);
    while (next < config.accounts.size() && rows < kRowsPerPage && bytes < kBytesPerPage) {
        Json::Value row = row_of(config.accounts[next]);
        bytes += compact(row).size() + 1;
        list.append(std::move(row));
        ++rows;
        ++next;
    }
    if (next < config.accounts.size()) {
        json["next_cursor"] = static_cast<Json::UInt64>(next);
    }
}

}  // namespace

AdminService::AdminService(Services services, std::shared_ptr<const Policy> policy)
    : services_(std::move(services)),
      status_(services_.keeper, services_.store),
      refresh_(services_.keeper, services_.store),
      started_(services_.clock.boot()) {
    reload(std::move(policy));
}

void AdminService::reload(std::shared_ptr<const Policy> policy) {
    policy_ = std::move(policy);
    admin_group_ = group_id(policy_->config->admin_group);
}

bool AdminService::may_administer(const service::Peer& peer) const {
    return peer.uid == 0 || (admin_group_ && std::find(peer.groups.begin(), peer.groups.end(),
                                                       *admin_group_) != peer.groups.end());
}

void AdminService::handle(const service::Peer& peer, std::string_view block, Reply reply) {
    const auto attributes = protocol::Attributes::parse(block);
    if (!attributes) {
        refuse(reply, FailureClass::BadRequest, FailureCode::Syntax,
               "malformed request, " + attributes.error().context);
        return;
    }
    const std::string_view verb = attributes->value_or("request", "");
    if (!may_administer(peer)) {
        services_.log.write(LogLine(LogLevel::Warning, "admin_denied")
                                .add("uid", static_cast<std::int64_t>(peer.uid))
                                .add("pid", static_cast<std::int64_t>(peer.pid))
                                .add("verb", printable(verb, 40)));
        refuse(reply, FailureClass::Denied, FailureCode::AccessDenied,
               "uid " + std::to_string(peer.uid) +
                   " may not administer the agent; be root or a member of [agent] admin_group");
        return;
    }
    Json::Value arguments;
    if (!parse_arguments(attributes->value_or("json", ""), arguments)) {
        refuse(reply, FailureClass::BadRequest, FailureCode::Syntax,
               "the json attribute is not one JSON object");
        return;
    }
    const bool only_looks = verb == "ping" || verb == "status" || verb == "list";
    services_.log.write(LogLine(only_looks ? LogLevel::Debug : LogLevel::Info, "admin_request")
                            .add("uid", static_cast<std::int64_t>(peer.uid))
                            .add("pid", static_cast<std::int64_t>(peer.pid))
                            .add("verb", printable(verb, 40)));
    if (!only_looks) {
        note_secret_trail();
    }
    dispatch(peer, verb, arguments, std::move(reply));
}

void AdminService::dispatch(const service::Peer& peer, std::string_view verb,
                            const Json::Value& arguments, Reply reply) {
    if (verb == "status") {
        status(arguments, std::move(reply));
    } else if (verb == "list") {
        list(arguments, reply);
    } else if (verb == "refresh") {
        refresh_.answer(policy_, arguments, std::move(reply));
    } else if (verb == "inspect") {
        inspect(arguments, std::move(reply));
    } else if (verb == "reload") {
        reload_now(reply);
    } else if (verb == "ping") {
        reply(protocol::encode_pong(POSTBEARER_VERSION));
    } else if (!services_.others || !services_.others(verb, arguments, peer, reply)) {
        refuse(reply, FailureClass::BadRequest, FailureCode::Syntax,
               "the agent knows no request of this name; are postbearer and postbearer-agent of "
               "one version?");
    }
}

void AdminService::status(const Json::Value& arguments, Reply reply) {
    Json::Value json = document("status");
    json["agent"]["version"] = POSTBEARER_VERSION;
    json["agent"]["uptime"] = static_cast<Json::Int64>(
        std::chrono::floor<seconds>(services_.clock.boot() - started_).count());
    const TokenService::Counters& counters = services_.tokens.counters();
    json["agent"]["handed_out"] = static_cast<Json::UInt64>(counters.handed_out);
    json["agent"]["denied"] = static_cast<Json::UInt64>(counters.denied);
    json["agent"]["failed"] = static_cast<Json::UInt64>(counters.failed);
    json["agent"]["accounts"] = static_cast<Json::UInt64>(policy_->config->accounts.size());
    if (services_.describe) {
        services_.describe(json);
    }
    status_.answer(policy_, arguments, std::move(json), std::move(reply));
}

void AdminService::list(const Json::Value& arguments, const Reply& reply) {
    const AgentConfig& config = *policy_->config;
    Json::Value json = document("list");
    append_page(config, arguments, json, [&config](const AccountRule& rule) {
        Json::Value row(Json::objectValue);
        row["account"] = rule.match;
        row["provider"] = config.providers[rule.provider].name;
        row["grant"] = std::string(name_of(rule.grant));
        row["where"] = config.files[rule.file] + ":" + std::to_string(rule.line);
        return row;
    });
    answer_json(reply, json);
}

void AdminService::inspect(const Json::Value& arguments, Reply reply) {
    const std::string account = string_argument(arguments, "account");
    const auto resource = protocol::resource_from(string_argument(arguments, "resource"));
    const AccountRule* rule = policy_->accounts.find(account);
    if (!resource) {
        refuse(reply, FailureClass::BadRequest, FailureCode::Syntax,
               "resource is none of smtp, imap, pop, graph");
        return;
    }
    if (rule == nullptr) {
        refuse_unknown_account(reply, account);
        return;
    }
    TokenOwner owner;
    owner.provider = rule->provider;
    owner.grant = rule->grant;
    owner.account = token_account(*rule, account);
    owner.resource = *resource;
    // Fresh, not cached: the point is to see what the provider says today.
    services_.keeper.refresh(
        owner, [account, resource = *resource, reply = std::move(reply),
                provider = policy_->config->providers[rule->provider].name](KeeperAnswer outcome) {
            if (!outcome) {
                protocol::AgentFailure failure = outcome.error().answer;
                failure.message = "account " + account + ": " + failure.message;
                reply(encode(failure));
                return;
            }
            Json::Value json = document("token_test");
            json["account"] = account;
            json["provider"] = provider;
            json["resource"] = std::string(name_of(resource));
            json["token"] = claims_json(outcome->token->token);
            json["token"]["fingerprint"] = outcome->token->fingerprint;
            json["token"]["seconds_left"] =
                static_cast<Json::Int64>(std::chrono::floor<seconds>(outcome->left).count());
            json["token"]["expires_at"] =
                static_cast<Json::Int64>(outcome->expires_at.time_since_epoch().count());
            answer_json(reply, json);
        });
}

void AdminService::reload_now(const Reply& reply) {
    const ReloadResult result = services_.reload();
    Json::Value json = document("reload");
    json["ok"] = result.has_value();
    const std::vector<std::string>& lines = result ? *result : result.error();
    Json::Value& target = json[result ? "warnings" : "errors"];
    target = Json::Value(Json::arrayValue);
    for (const std::string& line : lines) {
        target.append(line);
    }
    answer_json(reply, json);
}

}  // namespace postbearer::agent
