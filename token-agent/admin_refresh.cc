// SPDX-License-Identifier: Apache-2.0
#include "token-agent/admin_refresh.hh"

#include <algorithm>
#include <optional>
#include <utility>

#include "token-agent/admin_answer.hh"
#include "token-agent/admin_json.hh"
#include "token-agent/providers.hh"

namespace postbearer::agent {
namespace {

constexpr std::string_view kLoginCursor = "logins:";
/// Tokens in one answer: a provider takes a few requests at a time, and the caller waits.
constexpr std::size_t kPerAnswer = 64;
constexpr std::int64_t kLongestPeriod = 366LL * 24 * 3600;

}  // namespace

Resource usual_resource(const ProviderConfig& provider, Grant grant) {
    for (const Resource resource : protocol::kResources) {
        if (scopes_of(provider, resource, grant)) {
            return resource;
        }
    }
    return Resource::Smtp;
}

/// Several refreshes answered as one document when the last has ended.
struct AdminRefresh::Job {
    std::shared_ptr<const Policy> policy;
    Reply reply;
    Json::Value json;
    bool dry_run = false;
    std::string only_provider;
    std::optional<milliseconds> within;
    std::vector<TokenOwner> targets;
    std::size_t open = 0;

    [[nodiscard]] std::optional<std::uint32_t> provider_index(const std::string& name) const {
        const auto& providers = policy->config->providers;
        const auto found =
            std::find_if(providers.begin(), providers.end(),
                         [&name](const ProviderConfig& each) { return each.name == name; });
        if (found == providers.end() || !(only_provider.empty() || only_provider == name)) {
            return std::nullopt;
        }
        return static_cast<std::uint32_t>(found - providers.begin());
    }
    [[nodiscard]] Json::Value row(const TokenOwner& owner) const {
        Json::Value json_row(Json::objectValue);
        json_row["provider"] = policy->config->providers[owner.provider].name;
        json_row["resource"] = std::string(name_of(owner.resource));
        if (!owner.account.empty()) {
            json_row["account"] = owner.account;
        }
        return json_row;
    }
    void add(Json::Value json_row, const KeeperAnswer& outcome) {
        json_row["ok"] = outcome.has_value();
        if (outcome) {
            json_row["expires_at"] =
                static_cast<Json::Int64>(outcome->expires_at.time_since_epoch().count());
            json_row["fingerprint"] = outcome->token->fingerprint;
        } else {
            json_row["error"] = failure_json(outcome.error());
        }
        json["results"].append(std::move(json_row));
        one_done();
    }
    void one_done() {
        if (--open == 0) {
            answer_json(reply, json);
        }
    }
};

void AdminRefresh::answer(std::shared_ptr<const Policy> policy, const Json::Value& arguments,
                          Reply reply) {
    auto job = std::make_shared<Job>();
    job->policy = std::move(policy);
    job->reply = std::move(reply);
    job->json = document("refresh");
    job->json["results"] = Json::Value(Json::arrayValue);
    job->dry_run = flag_argument(arguments, "dry_run");
    job->only_provider = string_argument(arguments, "provider");
    if (arguments["expiring_within"].isInt64()) {
        job->within = seconds(
            std::clamp<std::int64_t>(arguments["expiring_within"].asInt64(), 0, kLongestPeriod));
    }
    const std::string account = string_argument(arguments, "account");
    const Json::Value& cursor = arguments["cursor"];
    if (!account.empty()) {
        one(job, account);
    } else if (cursor.isString() && cursor.asString().starts_with(kLoginCursor)) {
        logins(job, cursor.asString().substr(kLoginCursor.size()));
    } else {
        tokens(job, cursor.isUInt64() ? cursor.asUInt64() : 0);
    }
}

void AdminRefresh::one(const std::shared_ptr<Job>& job, const std::string& account) {
    const AccountRule* rule = job->policy->accounts.find(account);
    if (rule == nullptr) {
        refuse_unknown_account(job->reply, account);
        return;
    }
    const ProviderConfig& provider = job->policy->config->providers[rule->provider];
    TokenOwner owner;
    owner.provider = rule->provider;
    owner.grant = rule->grant;
    owner.account = token_account(*rule, account);
    for (const TokenStatus& token : keeper_.status_of(provider.name, owner.account)) {
        if (!job->within || token.left < *job->within) {
            owner.resource = token.resource;
            job->targets.push_back(owner);
        }
    }
    // An account by name is a wish for a token even if nobody has asked for one yet.
    if (job->targets.empty() && !job->within) {
        owner.resource = usual_resource(provider, rule->grant);
        job->targets.push_back(owner);
    }
    start(job);
}

/// What somebody has asked for since the start; the logins that nobody has used come after that.
void AdminRefresh::tokens(const std::shared_ptr<Job>& job, std::size_t first) {
    const std::vector<TokenStatus> all = keeper_.status();
    std::size_t next = std::min(first, all.size());
    for (; next < all.size() && job->targets.size() < kPerAnswer; ++next) {
        const TokenStatus& token = all[next];
        const auto provider = job->provider_index(token.provider);
        if (provider && (!job->within || token.left < *job->within)) {
            job->targets.push_back({*provider, token.grant, token.account, token.resource});
        }
    }
    if (next < all.size()) {
        job->json["next_cursor"] = static_cast<Json::UInt64>(next);
    } else if (store_ != nullptr) {
        job->json["next_cursor"] = std::string(kLoginCursor);
    }
    start(job);
}

void AdminRefresh::logins(const std::shared_ptr<Job>& job, const std::string& cursor) {
    if (store_ == nullptr) {
        start(job);
        return;
    }
    ask_store<LoginPage>(
        *store_, [cursor](TokenStore& store) { return store.list(cursor, kPerAnswer); },
        [this, job](Result<LoginPage> page) {
            if (!page) {
                refuse(job->reply, protocol::FailureClass::Transient,
                       protocol::FailureCode::StoreUnwritable, page.error().context);
                return;
            }
            for (const ListedLogin& login : page->logins) {
                const auto provider = job->provider_index(login.provider);
                const bool in_memory = !keeper_.status_of(login.provider, login.account).empty();
                if (provider && !login.account.empty() && login.readable && !in_memory) {
                    job->targets.push_back(
                        {*provider, Grant::Delegated, login.account,
                         usual_resource(job->policy->config->providers[*provider],
                                        Grant::Delegated)});
                }
            }
            if (!page->next.empty()) {
                job->json["next_cursor"] = std::string(kLoginCursor) + page->next;
            }
            start(job);
        });
}

void AdminRefresh::start(const std::shared_ptr<Job>& job) {
    job->open = 1;  // ours, until all have been started
    for (const TokenOwner& owner : job->targets) {
        if (job->dry_run) {
            job->json["results"].append(job->row(owner));
            continue;
        }
        ++job->open;
        keeper_.refresh(owner, [job, row = job->row(owner)](const KeeperAnswer& outcome) {
            job->add(row, outcome);
        });
    }
    job->one_done();
}

}  // namespace postbearer::agent
