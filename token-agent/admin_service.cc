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
#include "token-agent/admin_json.hh"

namespace postbearer::agent {
namespace {

using namespace std::chrono_literals;
using protocol::FailureClass;
using protocol::FailureCode;

constexpr std::size_t kRowsPerPage = 1000;
/// A row of a provider in trouble holds long sentences, so bytes count too: half the limit leaves
/// room for the rest of the document.
constexpr std::size_t kBytesPerPage = protocol::kMaxAdminBytes / 2;
constexpr std::int64_t kLongestPeriod = 366LL * 24 * 3600;

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

void answer(const Reply& reply, const Json::Value& json) {
    reply(std::move(protocol::MessageWriter().add("status", "ok").add("json", compact(json)))
              .finish());
}

void refuse(const Reply& reply, FailureClass failure_class, FailureCode code, std::string message) {
    reply(
        encode(protocol::AgentFailure{failure_class, code, std::move(message), std::nullopt, {}}));
}

std::string string_argument(const Json::Value& arguments, const char* name) {
    const Json::Value& value = arguments[name];
    return value.isString() ? value.asString() : std::string();
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
    : services_(std::move(services)), started_(services_.clock.boot()) {
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
    dispatch(verb, arguments, std::move(reply));
}

void AdminService::dispatch(std::string_view verb, const Json::Value& arguments, Reply reply) {
    if (verb == "status") {
        status(arguments, reply);
    } else if (verb == "list") {
        list(arguments, reply);
    } else if (verb == "refresh") {
        refresh(arguments, std::move(reply));
    } else if (verb == "inspect") {
        inspect(arguments, std::move(reply));
    } else if (verb == "reload") {
        reload_now(reply);
    } else if (verb == "ping") {
        reply(protocol::encode_pong(POSTBEARER_VERSION));
    } else {
        refuse(reply, FailureClass::BadRequest, FailureCode::Syntax,
               "request is none of status, list, refresh, inspect, reload, ping");
    }
}

void AdminService::status(const Json::Value& arguments, const Reply& reply) {
    const AgentConfig& config = *policy_->config;
    const std::string account = string_argument(arguments, "account");
    const std::vector<TokenStatus> tokens = services_.keeper.status();
    Json::Value json = document("status");
    json["agent"]["version"] = POSTBEARER_VERSION;
    json["agent"]["uptime"] = static_cast<Json::Int64>(
        std::chrono::floor<seconds>(services_.clock.boot() - started_).count());
    const TokenService::Counters& counters = services_.tokens.counters();
    json["agent"]["handed_out"] = static_cast<Json::UInt64>(counters.handed_out);
    json["agent"]["denied"] = static_cast<Json::UInt64>(counters.denied);
    json["agent"]["failed"] = static_cast<Json::UInt64>(counters.failed);
    json["agent"]["accounts"] = static_cast<Json::UInt64>(config.accounts.size());
    if (!account.empty()) {
        const AccountRule* rule = policy_->accounts.find(account);
        if (rule == nullptr) {
            refuse(reply, FailureClass::UnknownAccount, FailureCode::NoAccount,
                   "no [[account]] rule matches " + printable(account, 254));
            return;
        }
        json["accounts"] = Json::Value(Json::arrayValue);
        json["accounts"].append(account_json(config, *rule, account, tokens));
        answer(reply, json);
        return;
    }
    append_page(config, arguments, json, [&](const AccountRule& rule) {
        return account_json(config, rule, rule.match, tokens);
    });
    answer(reply, json);
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
    answer(reply, json);
}

/// Several refreshes answered as one document when the last has ended.
struct AdminService::RefreshJob {
    Reply reply;
    Json::Value json;
    std::size_t open = 0;

    void add(Json::Value row, const KeeperAnswer& outcome) {
        row["ok"] = outcome.has_value();
        if (outcome) {
            row["expires_at"] =
                static_cast<Json::Int64>(outcome->expires_at.time_since_epoch().count());
            row["fingerprint"] = outcome->token->fingerprint;
        } else {
            row["error"] = failure_json(outcome.error());
        }
        json["results"].append(std::move(row));
        one_done();
    }

    void one_done() {
        --open;
        if (open == 0) {
            answer(reply, json);
        }
    }
};

Json::Value AdminService::target_json(const AgentConfig& config, const Target& target) {
    Json::Value row(Json::objectValue);
    row["provider"] = config.providers[target.provider].name;
    row["resource"] = std::string(name_of(target.resource));
    return row;
}

void AdminService::refresh(const Json::Value& arguments, Reply reply) {
    const AgentConfig& config = *policy_->config;
    const std::string account = string_argument(arguments, "account");
    const AccountRule* rule = nullptr;
    if (!account.empty()) {
        rule = policy_->accounts.find(account);
        if (rule == nullptr) {
            refuse(reply, FailureClass::UnknownAccount, FailureCode::NoAccount,
                   "no [[account]] rule matches " + printable(account, 254));
            return;
        }
        if (rule->grant != Grant::ClientCredentials) {
            refuse(reply, FailureClass::NeedsUser, FailureCode::NotLoggedIn,
                   "account " + printable(account, 254) +
                       ": nobody has logged in for it, and this version of the agent has no login "
                       "yet");
            return;
        }
    }
    auto job = std::make_shared<RefreshJob>();
    job->reply = std::move(reply);
    job->json = document("refresh");
    job->json["results"] = Json::Value(Json::arrayValue);
    job->open = 1;  // ours, until all have been started
    const bool dry_run = arguments["dry_run"].isBool() && arguments["dry_run"].asBool();
    for (const Target& target : refresh_targets(rule, arguments)) {
        if (dry_run) {
            job->json["results"].append(target_json(config, target));
            continue;
        }
        ++job->open;
        services_.keeper.refresh(target.provider, target.resource,
                                 [job, row = target_json(config, target)](
                                     const KeeperAnswer& outcome) { job->add(row, outcome); });
    }
    job->one_done();
}

std::vector<AdminService::Target> AdminService::refresh_targets(
    const AccountRule* rule, const Json::Value& arguments) const {
    const AgentConfig& config = *policy_->config;
    const std::string only_provider = string_argument(arguments, "provider");
    const bool soon_only = arguments["expiring_within"].isInt64();
    const milliseconds within =
        soon_only ? seconds(std::clamp<std::int64_t>(arguments["expiring_within"].asInt64(), 0,
                                                     kLongestPeriod))
                  : milliseconds::max();
    std::vector<Target> targets;
    for (const TokenStatus& token : services_.keeper.status()) {
        const auto provider = std::find_if(
            config.providers.begin(), config.providers.end(),
            [&token](const ProviderConfig& each) { return each.name == token.provider; });
        const auto index = static_cast<std::uint32_t>(provider - config.providers.begin());
        if (provider != config.providers.end() && (rule == nullptr || rule->provider == index) &&
            (only_provider.empty() || only_provider == token.provider) && token.left < within) {
            targets.push_back({index, token.resource});
        }
    }
    // An account by name is a wish for a token even if nobody has asked for one yet.
    if (targets.empty() && rule != nullptr && !soon_only) {
        targets.push_back({rule->provider, Resource::Smtp});
    }
    return targets;
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
        refuse(reply, FailureClass::UnknownAccount, FailureCode::NoAccount,
               "no [[account]] rule matches " + printable(account, 254));
        return;
    }
    if (rule->grant != Grant::ClientCredentials) {
        refuse(reply, FailureClass::NeedsUser, FailureCode::NotLoggedIn,
               "account " + printable(account, 254) +
                   ": nobody has logged in for it, and this version of the agent has no login yet");
        return;
    }
    // Fresh, not cached: the point is to see what the provider says today.
    services_.keeper.refresh(
        rule->provider, *resource,
        [account, resource = *resource, reply = std::move(reply),
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
            answer(reply, json);
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
    answer(reply, json);
}

}  // namespace postbearer::agent
