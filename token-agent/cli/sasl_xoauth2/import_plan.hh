// SPDX-License-Identifier: Apache-2.0
#pragma once

// From the files of sasl-xoauth2 to [provider] and [[account]] tables, and what is wrong with them.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/secret.hh"
#include "token-agent/cli/sasl_xoauth2/peer_file.hh"

namespace postbearer::cli {

struct PeerSource {
    std::string name;  // path, for messages
    PeerFile file;
    std::string address;  // of a token file, if it was given; else found by its name or user
};

/// One set of settings that accounts share.
struct PlannedProvider {
    std::string name;
    std::string type;            // a word of [provider] type
    std::string cloud;           // microsoft; empty: global
    std::string tenant;          // microsoft
    std::string token_endpoint;  // oidc
    std::string client_id;
    std::optional<Secret> client_secret;
    std::string proxy;
    std::string ca_file;
    std::string scope;   // for client_credentials, if it is given
    std::string origin;  // the files that it comes from, for a comment

    /// Where its secret is to lie.
    [[nodiscard]] std::string secret_file(std::string_view directory) const;
};

struct PlannedAccount {
    std::string address;
    std::size_t provider = 0;  // index
    bool app_only = false;     // grant client_credentials: there is no login to import
    std::string user;          // XOAUTH2 user, where it is not the address
    Secret refresh_token;
    std::string origin;
};

struct ImportPlan {
    std::vector<PlannedProvider> providers;
    std::vector<PlannedAccount> accounts;
    std::vector<std::string> warnings;  // FILE:LINE:COL: text
    std::vector<std::string> mistakes;  // likewise; not empty: nothing may be written
};

[[nodiscard]] ImportPlan plan_import(const PeerSource& config, std::vector<PeerSource> tokens);

/// The file for agent.d. Secrets are references into `secrets_directory`.
[[nodiscard]] std::string config_text(const ImportPlan& plan, std::string_view secrets_directory);

/// "FILE:LINE:COL: text"
[[nodiscard]] std::string mistake_line(std::string_view file, Place at, std::string_view text);

/// The address in a token file's name: alice@contoso.com, also with .json behind it.
[[nodiscard]] std::optional<std::string> address_in_name(std::string_view path);

}  // namespace postbearer::cli
