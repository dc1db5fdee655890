// SPDX-License-Identifier: Apache-2.0
#pragma once

// Between the rooms of the loader only: what they share while one configuration is read.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/host.hh"
#include "common/config/reader.hh"
#include "token-agent/config.hh"
#include "token-agent/config_options.hh"

namespace postbearer::agent {

using config::ConfigHost;

/// What is known of a provider only while loading, by its index.
struct ProviderNotes {
    config::Position at;      // of its header
    config::Position tenant;  // line 0: not given
    bool sound_type = false;  // `type` was understood, so that rules about it can be checked
    bool sound_credentials = true;
    bool has_client_id = false;  // good or bad, as `tenant`
    /// Where each Grant is first used, and how often.
    std::array<config::Position, 3> first_use{};
    std::array<std::size_t, 3> uses{};
};

struct Loading {
    config::Problems& problems;
    const ConfigHost& host;
    AgentConfig& out;
    /// False once a file could not be read: what one rule says of another cannot be judged then.
    bool complete = true;
    std::vector<ProviderNotes> provider_notes;
    std::map<std::string, std::uint32_t, std::less<>> provider_index;
    std::vector<config::Position> account_positions;  // of `match`, by index of the account
    std::vector<std::vector<config::Position>> access_positions;  // of each pattern, by rule
    /// [agent] user: secrets may belong to it, though root reads them at start.
    std::optional<uid_t> secret_owner = std::nullopt;

    [[nodiscard]] Result<Secret> read_secret(config::SecretReference reference) const {
        reference.also_owner = secret_owner;
        return host.read_secret(reference);
    }
};

/// [agent], of the main file, or without the section its defaults.
void read_agent(const std::optional<config::Table>& table, Loading& loading);
/// One [provider.NAME].
void read_provider(const config::Value& entry, config::Position key, Loading& loading);
/// The credentials of one provider, in the order they are to be tried.
[[nodiscard]] std::vector<ClientCredential> read_credentials(const config::Table& table,
                                                             const ProviderConfig& provider,
                                                             ProviderNotes& notes,
                                                             const Loading& loading);
/// Null with a problem recorded if it cannot be had.
[[nodiscard]] std::shared_ptr<const ServiceAccount> read_service_account(const config::Value& value,
                                                                         ProviderType type,
                                                                         const Loading& loading);
/// Service accounts and managed identities have ids of their own: client_id and tenant are for
/// grant "delegated" then.
[[nodiscard]] bool may_lack_client(const ProviderConfig& provider);
/// One [[account]]; all providers have been read.
void read_account(const config::Table& table, Loading& loading);
/// One [[access]].
void read_access(const config::Table& table, Loading& loading);

/// What only the whole shows: the same match twice, a grant that its provider cannot serve,
/// access rules for accounts that no rule covers.
void check_accounts(Loading& loading);
void check_access(Loading& loading);
/// Logins need a store, and a store needs a key.
void check_store(Loading& loading);

[[nodiscard]] SourcePosition source_position(config::Position at, const Loading& loading);

}  // namespace postbearer::agent
