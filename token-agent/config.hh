// SPDX-License-Identifier: Apache-2.0
#pragma once

// The agent's configuration as one validated, immutable value (postbearer-agent.toml(5)).

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/agent_messages.hh"
#include "common/secret.hh"
#include "common/service/listening_socket.hh"

namespace postbearer::agent {

using protocol::Resource;

enum class ProviderType : std::uint8_t { Microsoft, Google, Yahoo, Aol, Fastmail, Oidc };
enum class Cloud : std::uint8_t { Global, Gcc, GccHigh, Dod, China };
enum class Grant : std::uint8_t { ClientCredentials, Delegated, ServiceAccount };
/// How the client secret travels (RFC 6749 section 2.3.1).
enum class ClientAuth : std::uint8_t { Post, Basic };
enum class Verb : std::uint8_t { Token, Rejected };

class SigningKey;      // credentials/signing_key.hh
class ServiceAccount;  // credentials/service_account.hh

enum class CredentialKind : std::uint8_t { Secret, Certificate, FederatedToken, ManagedIdentity };

/// One way for the application to prove itself; which members count depends on `kind`.
struct ClientCredential {
    CredentialKind kind = CredentialKind::Secret;
    std::shared_ptr<const Secret> secret;
    std::optional<std::chrono::sys_days> secret_expires;
    std::shared_ptr<const SigningKey> key;  // certificate and private key
    std::string federated_token_file;       // read anew for each request
    std::string identity;  // client_id of a user-assigned managed identity; empty: the system's
};

/// For messages: FILE:LINE:COL.
struct SourcePosition {
    std::string file;
    std::uint32_t line = 0;
    std::uint32_t column = 0;
};

using ScopeTable = std::array<std::vector<std::string>, 4>;  // by Resource; empty: the default

struct ProviderConfig {
    std::string name;
    ProviderType type = ProviderType::Oidc;
    Cloud cloud = Cloud::Global;
    std::string tenant;
    std::string client_id;
    std::vector<ClientCredential> credentials;  // tried in order; empty: a public client
    ClientAuth client_auth = ClientAuth::Post;
    std::shared_ptr<const ServiceAccount> service_account;  // google
    std::string issuer;                                     // oidc with discovery
    std::string token_endpoint;  // overrides preset and discovery, as the three below
    std::string authorization_endpoint;
    std::string device_authorization_endpoint;
    std::string revocation_endpoint;
    std::string redirect_uri;  // loopback; empty: http://localhost with a free port
    ScopeTable scopes;
    std::string ca_file;  // overrides [agent] ca_file
    std::string proxy;    // overrides [agent] http_proxy
    SourcePosition where;
};

struct AccountRule {
    std::string match;           // lower case: address, @domain, or *
    std::uint32_t provider = 0;  // index into AgentConfig::providers
    Grant grant = Grant::ClientCredentials;
    std::string login;  // delegated: whose refresh token; empty: the account itself
    std::string user;   // overrides the XOAUTH2 user; empty: the account as asked for
    std::uint32_t line = 0;
    std::uint16_t file = 0;  // index into AgentConfig::files
};

struct AccessRule {
    std::optional<uid_t> uid;  // of `user` or `uid`; both empty: unknown name, rule inactive
    std::optional<gid_t> gid;
    std::string subject;                // as written, for messages
    std::vector<std::string> accounts;  // lower case: address, @domain, or *
    std::array<bool, 4> resources{};    // by Resource
    std::array<bool, 2> verbs{true, true};
    SourcePosition where;
};

struct AgentConfig {
    std::vector<service::SocketSetting> sockets;
    service::SocketSetting admin_socket;
    std::string admin_group;
    std::string user;  // dropped to after start as root; empty: stay
    std::string http_proxy;
    std::string ca_file;
    bool allow_http_loopback = false;
    std::chrono::seconds idle_after{24 * 3600};
    std::string store_path;  // of the SQLite database; empty: no store (app-only tokens, no key)
    std::shared_ptr<const Secret> master_key;  // 32 bytes; set whenever store_path is
    std::vector<std::shared_ptr<const Secret>> previous_master_keys;
    bool store_access_tokens = true;
    std::size_t max_connections_per_uid = 1024;
    std::size_t provider_concurrency = 4;

    std::vector<std::string> files;  // main file first
    std::vector<ProviderConfig> providers;
    std::vector<AccountRule> accounts;
    std::vector<AccessRule> access;
};

}  // namespace postbearer::agent
