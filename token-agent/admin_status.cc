// SPDX-License-Identifier: Apache-2.0
#include "token-agent/admin_status.hh"

#include <algorithm>
#include <utility>

#include "common/agent_protocol.hh"
#include "token-agent/admin_answer.hh"

namespace postbearer::agent {
namespace {

constexpr std::string_view kLoginCursor = "logins:";

bool is_pattern(std::string_view match) { return match == "*" || match.starts_with('@'); }

LoginNote note_of(const Result<std::optional<StoredLogin>>& found) {
    LoginNote note;
    if (!found) {
        note.trouble = found.error().context;
    } else if (*found) {
        note.logged_in_at = (*found)->logged_in_at;
        note.used_at = (*found)->used_at;
        note.user = (*found)->user;
        note.generation = (*found)->generation;
    }
    return note;
}

}  // namespace

struct AdminStatus::Page {
    std::shared_ptr<const Policy> policy;
    Json::Value json;
    Reply reply;
    struct Wanted {
        const AccountRule* rule = nullptr;
        std::string shown_as;
        std::optional<LoginNote> login;
    };
    std::vector<Wanted> wanted;
    std::size_t first = 0;  // index of the first rule
    Json::Value next;       // cursor behind the last of `wanted`; null: it is complete
};

void AdminStatus::answer(std::shared_ptr<const Policy> policy, const Json::Value& arguments,
                         Json::Value json, Reply reply) const {
    auto page = std::make_shared<Page>();
    page->policy = std::move(policy);
    page->json = std::move(json);
    page->json["accounts"] = Json::Value(Json::arrayValue);
    page->reply = std::move(reply);
    const std::string account = string_argument(arguments, "account");
    if (!account.empty()) {
        one(page, account);
        return;
    }
    const Json::Value& cursor = arguments["cursor"];
    if (cursor.isString() && cursor.asString().starts_with(kLoginCursor)) {
        logins(page, cursor.asString().substr(kLoginCursor.size()));
        return;
    }
    rules(page, cursor.isUInt64() ? cursor.asUInt64() : 0);
}

void AdminStatus::one(const std::shared_ptr<Page>& page, const std::string& account) const {
    const AccountRule* rule = page->policy->accounts.find(account);
    if (rule == nullptr) {
        refuse_unknown_account(page->reply, account);
        return;
    }
    page->wanted.push_back({rule, account, std::nullopt});
    fill(page);
}

void AdminStatus::rules(const std::shared_ptr<Page>& page, std::size_t first) const {
    const auto& accounts = page->policy->config->accounts;
    page->first = std::min(first, accounts.size());
    const std::size_t end = std::min(page->first + kRowsPerPage, accounts.size());
    for (std::size_t i = page->first; i < end; ++i) {
        page->wanted.push_back({&accounts[i], accounts[i].match, std::nullopt});
    }
    if (end < accounts.size()) {
        page->next = static_cast<Json::UInt64>(end);
    } else if (store_ != nullptr &&
               std::any_of(accounts.begin(), accounts.end(), [](const AccountRule& rule) {
                   return rule.grant == Grant::Delegated && is_pattern(rule.match);
               })) {
        page->next = std::string(kLoginCursor);
    }
    fill(page);
}

/// Asks the store about the logins among the wanted rows, then answers; at once where there are
/// none.
void AdminStatus::fill(const std::shared_ptr<Page>& page) const {
    const auto& providers = page->policy->config->providers;
    std::vector<std::pair<std::size_t, RecordName>> names;
    for (std::size_t i = 0; i < page->wanted.size(); ++i) {
        const Page::Wanted& each = page->wanted[i];
        if (each.rule->grant == Grant::Delegated && !is_pattern(each.shown_as) &&
            store_ != nullptr) {
            const ProviderConfig& provider = providers[each.rule->provider];
            names.emplace_back(i,
                               RecordName{provider.name, token_account(*each.rule, each.shown_as),
                                          provider.client_id});
        }
    }
    const auto finish = [this, page] {
        std::size_t bytes = 0;
        std::size_t rows = 0;
        for (const Page::Wanted& each : page->wanted) {
            Json::Value json = row(*page->policy, *each.rule, each.shown_as, each.login);
            bytes += compact(json).size() + 1;
            page->json["accounts"].append(std::move(json));
            ++rows;
            if (bytes >= kBytesPerPage && rows < page->wanted.size()) {
                page->next = static_cast<Json::UInt64>(page->first + rows);
                break;
            }
        }
        if (!page->next.isNull()) {
            page->json["next_cursor"] = page->next;
        }
        answer_json(page->reply, page->json);
    };
    if (names.empty()) {
        finish();
        return;
    }
    store_->post(
        [page, names = std::move(names)](TokenStore& store) {
            for (const auto& [index, name] : names) {
                page->wanted[index].login = note_of(store.find_login(name));
            }
        },
        finish);
}

void AdminStatus::logins(const std::shared_ptr<Page>& page, const std::string& cursor) const {
    if (store_ == nullptr) {
        answer_json(page->reply, page->json);
        return;
    }
    ask_store<LoginPage>(
        *store_, [cursor](TokenStore& store) { return store.list(cursor, kRowsPerPage / 4); },
        [this, page](Result<LoginPage> listed) {
            if (!listed) {
                page->json["store"]["trouble"] = listed.error().context;
                answer_json(page->reply, page->json);
                return;
            }
            for (const ListedLogin& login : listed->logins) {
                const AccountRule* rule =
                    login.account.empty() ? nullptr : page->policy->accounts.find(login.account);
                // An exact rule has had its row; another provider's login is nobody's.
                if (rule == nullptr || rule->grant != Grant::Delegated ||
                    !is_pattern(rule->match) ||
                    page->policy->config->providers[rule->provider].name != login.provider) {
                    continue;
                }
                LoginNote note;
                note.logged_in_at = login.logged_in_at;
                note.used_at = login.used_at;
                note.user = login.user;
                note.generation = login.generation;
                page->json["accounts"].append(row(*page->policy, *rule, login.account, note));
            }
            if (!listed->next.empty()) {
                page->json["next_cursor"] = std::string(kLoginCursor) + listed->next;
            }
            answer_json(page->reply, page->json);
        });
}

Json::Value AdminStatus::row(const Policy& policy, const AccountRule& rule,
                             const std::string& shown_as,
                             const std::optional<LoginNote>& login) const {
    const std::string& provider = policy.config->providers[rule.provider].name;
    if (store_ == nullptr && rule.grant == Grant::Delegated) {
        LoginNote none;
        none.trouble = "there is no store: set [agent] master_key";
        return account_json(*policy.config, rule, shown_as, {}, none);
    }
    const bool pattern = rule.grant != Grant::ClientCredentials && is_pattern(shown_as);
    const std::vector<TokenStatus> tokens =
        pattern ? std::vector<TokenStatus>()
                : keeper_.status_of(provider, token_account(rule, shown_as));
    return account_json(*policy.config, rule, shown_as, tokens, login);
}

}  // namespace postbearer::agent
