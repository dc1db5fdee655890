// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/stranded_logins.hh"

#include <algorithm>
#include <utility>

#include "common/text.hh"

namespace postbearer::agent {
namespace {

constexpr std::size_t kPageRows = 200;

Result<std::vector<RecordName>> names_of(TokenStore& store, const std::string& account) {
    std::vector<RecordName> names;
    std::string cursor;
    do {
        auto page = store.list(cursor, kPageRows);
        if (!page) {
            return tl::unexpected(std::move(page.error()));
        }
        for (ListedLogin& row : page->logins) {
            if (row.readable && row.account == account) {
                names.push_back({row.provider, row.account, row.client_id});
            }
        }
        cursor = std::move(page->next);
    } while (!cursor.empty());
    return names;
}

std::optional<std::uint32_t> provider_named(const AgentConfig& config, const std::string& name) {
    const auto found =
        std::find_if(config.providers.begin(), config.providers.end(),
                     [&](const ProviderConfig& provider) { return provider.name == name; });
    if (found == config.providers.end()) {
        return std::nullopt;
    }
    return static_cast<std::uint32_t>(found - config.providers.begin());
}

/// Whether somebody's tokens come from that login.
bool is_in_use(const Policy& policy, std::uint32_t provider, const std::string& login) {
    const auto leads_there = [provider](const AccountRule& rule) {
        return rule.grant == Grant::Delegated && rule.provider == provider;
    };
    const AccountRule* const own = policy.accounts.find(login);
    const auto& rules = policy.config->accounts;
    return (own != nullptr && own->login.empty() && leads_there(*own)) ||
           std::any_of(rules.begin(), rules.end(), [&](const AccountRule& rule) {
               return leads_there(rule) && ascii_lower(rule.login) == login;
           });
}

/// Ends one after the other.
class StrandedLogout : public std::enable_shared_from_this<StrandedLogout> {
public:
    using Done = std::function<void(Result<StrandedOutcome>)>;

    StrandedLogout(const LogoutServices& services, std::shared_ptr<const Policy> policy, Done done)
        : services_(services), policy_(std::move(policy)), done_(std::move(done)) {}

    void start(const std::string& account) {
        ask_store<std::vector<RecordName>>(
            services_.store, [account](TokenStore& store) { return names_of(store, account); },
            [self = shared_from_this()](Result<std::vector<RecordName>> names) {
                self->found(std::move(names));
            });
    }

private:
    void found(Result<std::vector<RecordName>> names) {
        if (!names) {
            done_(tl::unexpected(std::move(names.error())));
            return;
        }
        for (RecordName& name : *names) {
            const auto provider = provider_named(*policy_->config, name.provider);
            if (!provider || !is_in_use(*policy_, *provider, name.account)) {
                whole_.names.push_back(std::move(name));
            }
        }
        whole_.outcome.revoked = !whole_.names.empty();
        next();
    }

    void next() {
        if (done_count_ == whole_.names.size()) {
            done_(std::move(whole_));
            return;
        }
        const RecordName& name = whole_.names[done_count_++];
        log_out(services_, {policy_->config, provider_named(*policy_->config, name.provider), name},
                [self = shared_from_this()](Result<LogoutOutcome> outcome) {
                    self->ended(std::move(outcome));
                });
    }

    void ended(Result<LogoutOutcome> outcome) {
        if (!outcome) {
            done_(tl::unexpected(std::move(outcome.error())));
            return;
        }
        LogoutOutcome& all = whole_.outcome;
        all.forgotten = all.forgotten || outcome->forgotten;
        all.revoked = all.revoked && outcome->revoked;
        if (!outcome->revoke_note.empty()) {
            all.revoke_note += (all.revoke_note.empty() ? "" : ". ") + outcome->revoke_note;
        }
        next();
    }

    LogoutServices services_;
    std::shared_ptr<const Policy> policy_;
    Done done_;
    std::size_t done_count_ = 0;
    StrandedOutcome whole_;
};

}  // namespace

void log_out_stranded(const LogoutServices& services, std::shared_ptr<const Policy> policy,
                      const std::string& account,
                      std::function<void(Result<StrandedOutcome>)> done) {
    std::make_shared<StrandedLogout>(services, std::move(policy), std::move(done))->start(account);
}

}  // namespace postbearer::agent
