// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <unordered_map>
#include <utility>

#include "common/config/values.hh"
#include "token-agent/config_options.hh"
#include "token-agent/config_sections.hh"

namespace postbearer::agent {
namespace {

using config::Position;
using config::Table;
using config::Value;

constexpr std::pair<std::string_view, Grant> kGrants[] = {
    {"client_credentials", Grant::ClientCredentials},
    {"delegated", Grant::Delegated},
    {"service_account", Grant::ServiceAccount}};

/// Words that people bring from OAuth libraries.
constexpr std::pair<std::string_view, std::string_view> kOtherWords[] = {
    {"authorization_code", "delegated"},   {"device_code", "delegated"},
    {"refresh_token", "delegated"},        {"app_only", "client_credentials"},
    {"application", "client_credentials"}, {"jwt_bearer", "service_account"}};

std::optional<Grant> read_grant(const Value& value) {
    const std::string word = ascii_lower(value.as_string().value_or(""));
    for (const std::string_view password : {"password", "ropc", "resource_owner_password"}) {
        if (word == password) {
            value.error("\"" + word +
                        "\" is refused: it would keep the mailbox's password here, cannot pass a "
                        "second factor, and providers are switching it off; use "
                        "\"client_credentials\" or \"delegated\"");
            return std::nullopt;
        }
    }
    for (const auto& [other, ours] : kOtherWords) {
        if (word == other) {
            value.error("unknown word \"" + word + "\"; did you mean '" + std::string(ours) + "'?");
            return std::nullopt;
        }
    }
    return choice_value(value, kGrants);
}

std::optional<std::uint32_t> find_provider(const Value& value, const Loading& loading) {
    const auto name = value.as_string();
    if (!name) {
        return std::nullopt;
    }
    const auto found = loading.provider_index.find(*name);
    if (found != loading.provider_index.end()) {
        return found->second;
    }
    if (loading.complete) {
        std::vector<std::string_view> names;
        for (const auto& [known, index] : loading.provider_index) {
            names.push_back(known);
        }
        value.error("there is no [provider." + printable(*name, 60) + "]" +
                    config::suggestion(*name, names));
    }
    return std::nullopt;
}

/// The value of a required key, or a problem at the table.
std::optional<Value> required(const Table& table, std::string_view key) {
    auto value = table.find(key);
    if (!value) {
        table.error("[[account]] needs " + std::string(key));
    }
    return value;
}

void check_duplicates(Loading& loading) {
    const auto& accounts = loading.out.accounts;
    std::unordered_map<std::string_view, std::size_t> first;
    first.reserve(accounts.size());
    for (std::size_t i = 0; i < accounts.size(); ++i) {
        const auto [known, fresh] = first.emplace(accounts[i].match, i);
        if (!fresh) {
            loading.problems.error(
                loading.account_positions[i],
                "match: \"" + accounts[i].match + "\" stands here twice, first at " +
                    loading.problems.describe(loading.account_positions[known->second]));
        }
    }
}

std::string_view word_of(ProviderType type) noexcept {
    switch (type) {
        case ProviderType::Google:
            return "google";
        case ProviderType::Yahoo:
            return "yahoo";
        case ProviderType::Aol:
            return "aol";
        case ProviderType::Fastmail:
            return "fastmail";
        case ProviderType::Microsoft:
        case ProviderType::Oidc:
            break;
    }
    return {};
}

/// Once for each provider, however many accounts use it.
void check_app_only(const ProviderConfig& provider, const ProviderNotes& notes, Loading& loading) {
    const Position use = notes.first_use[static_cast<std::size_t>(Grant::ClientCredentials)];
    const std::string name = "[provider." + provider.name + "]";
    if (const std::string_view word = word_of(provider.type); !word.empty()) {
        const std::string_view better =
            provider.type == ProviderType::Google ? "service_account" : "delegated";
        loading.problems.error(use, "grant: " + std::string(word) +
                                        " gives no app-only tokens for mail; use \"" +
                                        std::string(better) + "\"");
        return;
    }
    const std::string tenant = ascii_lower(provider.tenant);
    if (provider.type == ProviderType::Microsoft &&
        (tenant == "common" || tenant == "organizations" || tenant == "consumers")) {
        loading.problems.error(notes.tenant,
                               "tenant: \"" + tenant +
                                   "\" is no single tenant, and Entra refuses grant "
                                   "\"client_credentials\" (" +
                                   loading.problems.describe(use) +
                                   ") there with AADSTS9001023: put in the tenant's id or domain");
    }
    if (provider.credentials.empty() && notes.sound_credentials) {
        loading.problems.error(notes.at,
                               name +
                                   " needs client_secret, certificate, federated_token_file or "
                                   "managed_identity for grant \"client_credentials\" at " +
                                   loading.problems.describe(use));
    }
}

/// What the other grants need of their provider.
void check_other_grants(const ProviderConfig& provider, const ProviderNotes& notes,
                        Loading& loading) {
    const std::string name = "[provider." + provider.name + "]";
    const auto delegated = static_cast<std::size_t>(Grant::Delegated);
    if (notes.uses[delegated] > 0 && may_lack_client(provider)) {
        const auto require = [&](bool there, const char* key) {
            if (!there) {
                loading.problems.error(notes.at,
                                       name + " needs " + key + " for grant \"delegated\" at " +
                                           loading.problems.describe(notes.first_use[delegated]));
            }
        };
        require(notes.has_client_id, "client_id");
        require(provider.type == ProviderType::Google || notes.tenant.line > 0, "tenant");
    }
    const auto service = static_cast<std::size_t>(Grant::ServiceAccount);
    if (notes.uses[service] == 0) {
        return;
    }
    const Position use = notes.first_use[service];
    if (provider.type != ProviderType::Google) {
        loading.problems.error(
            use, "grant: \"service_account\" belongs to google; use \"client_credentials\"");
    } else if (provider.service_account == nullptr && notes.sound_credentials) {
        loading.problems.error(
            notes.at, name + " needs service_account_key for grant \"service_account\" at " +
                          loading.problems.describe(use));
    }
}

}  // namespace

void read_account(const Table& table, Loading& loading) {
    config::check_keys(table, all_options(), Section::Account, "[[account]]");
    AccountRule rule;
    const auto match = required(table, "match");
    const auto pattern = match ? account_pattern(*match) : std::nullopt;
    const auto provider_value = required(table, "provider");
    const auto provider = provider_value ? find_provider(*provider_value, loading) : std::nullopt;
    const auto grant_value = required(table, "grant");
    std::optional<Grant> grant;  // by hand: g++ 14 takes a conditional for uninitialised
    if (grant_value) {
        grant = read_grant(*grant_value);
    }
    if (const auto login = table.find("login")) {
        rule.login = line_value(*login).value_or("");
        if (grant && *grant == Grant::ClientCredentials) {
            login->warn("has no effect, it belongs to grant = \"delegated\"");
        }
    }
    if (const auto user = table.find("user")) {
        rule.user = line_value(*user).value_or("");
    }
    if (provider && grant) {
        ProviderNotes& notes = loading.provider_notes[*provider];
        const auto index = static_cast<std::size_t>(*grant);
        if (notes.uses[index]++ == 0) {
            notes.first_use[index] = grant_value->position();
        }
    }
    if (!pattern) {
        return;
    }
    const Position at = match->position();
    rule.match = *pattern;
    rule.provider = provider.value_or(0);  // there is an error then, so nobody uses it
    rule.grant = grant.value_or(Grant::ClientCredentials);
    rule.line = at.line;
    rule.file = at.file;
    loading.out.accounts.push_back(std::move(rule));
    loading.account_positions.push_back(at);
}

void check_accounts(Loading& loading) {
    check_duplicates(loading);
    constexpr auto kAppOnly = static_cast<std::size_t>(Grant::ClientCredentials);
    for (std::size_t i = 0; i < loading.out.providers.size(); ++i) {
        const ProviderNotes& notes = loading.provider_notes[i];
        if (!notes.sound_type) {
            continue;
        }
        if (notes.uses[kAppOnly] > 0) {
            check_app_only(loading.out.providers[i], notes, loading);
        }
        check_other_grants(loading.out.providers[i], notes, loading);
    }
    if (loading.complete && loading.out.accounts.empty()) {
        loading.problems.warn({}, "no [[account]]: every request is answered unknown_account");
    }
}

}  // namespace postbearer::agent
