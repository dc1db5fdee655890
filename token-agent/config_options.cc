// SPDX-License-Identifier: Apache-2.0
#include "token-agent/config_options.hh"

namespace postbearer::agent {
namespace {

using enum Section;
constexpr Support kRefused = Support::Refused;

constexpr Option kOptions[] = {
    {Top, "agent", "table", "", "settings of the daemon; main file only"},
    {Top, "provider", "tables", "", "where tokens come from, by name"},
    {Top, "account", "list of tables", "", "which accounts get tokens, and how"},
    {Top, "access", "list of tables", "", "which local users may ask for which tokens"},

    {Agent, "sockets", "list of paths or {path, group, mode}",
     "[\"" POSTBEARER_RUN_DIR "/agent.sock\", \"" POSTBEARER_QUEUE_DIR
     "/run/postbearer/agent.sock\"]",
     "Unix sockets that hand out tokens"},
    {Agent, "socket_group", "group", "", "group of the sockets"},
    {Agent, "socket_mode", "octal string", "", "mode of the sockets"},
    {Agent, "admin_socket", "path", "\"" POSTBEARER_RUN_DIR "/admin.sock\"",
     "Unix socket of the postbearer command"},
    {Agent, "admin_group", "group", "", "group that may use admin_socket beside root"},
    {Agent, "user", "user", "", "dropped to once sockets are bound and secrets are read"},
    {Agent, "http_proxy", "URL", "", "proxy for all requests"},
    {Agent, "ca_file", "path", "", "CA certificates (PEM) in place of the system's"},
    {Agent, "allow_http_loopback", "boolean", "false", "http:// endpoints on this host"},
    {Agent, "idle_after", "duration", "\"1d\"",
     "tokens that nobody asked for that long are no longer renewed ahead"},
    {Agent, "max_connections_per_uid", "integer", "1024",
     "connections of a user named in [[access]]; others get 8"},
    {Agent, "provider_concurrency", "integer", "4", "requests to one provider at a time"},
    {Agent, "store", "sqlite:PATH", "",  // POSTBEARER_STATE_DIR/tokens.db, once there is a key
     "where logins and tokens are kept; only with master_key"},
    {Agent, "master_key", "secret reference", "", "seals the store; 32 random bytes"},
    {Agent, "previous_master_keys", "list of secret references", "",
     "older keys that may still seal a part of the store, until postbearer rekey has run"},
    {Agent, "store_access_tokens", "boolean", "true",
     "keeps access tokens in the store as well, so that a restart in an outage can serve them"},
    {Agent, "policy_socket", "path", "", "policy service for Postfix", kRefused},
    {Agent, "policy_grace", "duration", "", "policy service for Postfix", kRefused},
    {Agent, "policy_account", "string", "", "policy service for Postfix", kRefused},
    {Agent, "metrics_listen", "address", "", "Prometheus listener", kRefused},
    {Agent, "notify_command", "command", "", "run when an account needs a human", kRefused},
    {Agent, "watch_maillog", "path", "", "reads server replies from Postfix's log", kRefused},

    {Provider, "type", "microsoft | google | yahoo | aol | fastmail | oidc", "",
     "which presets apply"},
    {Provider, "cloud", "global | gcc | gcc-high | dod | china", "\"global\"",
     "Microsoft's national clouds"},
    {Provider, "tenant", "string", "", "directory id or domain (microsoft)"},
    {Provider, "client_id", "string", "", "id of the app registration"},
    {Provider, "client_secret", "secret reference", "", "secret of the app registration"},
    {Provider, "client_auth", "post | basic", "\"post\"", "how the client secret travels"},
    {Provider, "secret_expires", "date", "", "when the client secret ends"},
    {Provider, "certificate", "path or secret reference", "",
     "PEM or PKCS#12, in place of a client secret"},
    {Provider, "private_key", "secret reference", "", "of the certificate, PEM"},
    {Provider, "private_key_passphrase", "secret reference", "", "of private key or PKCS#12"},
    {Provider, "federated_token_file", "path", "",
     "token of another issuer, in place of a client secret"},
    {Provider, "managed_identity", "true | \"system\" | client id", "",
     "of Azure or Azure Arc, in place of a client secret"},
    {Provider, "credentials", "list of tables", "", "several of these, tried in order"},
    {Provider, "service_account_key", "secret reference", "",
     "JSON key file of a service account (google)"},
    {Provider, "issuer", "URL", "", "OpenID Connect issuer, for discovery (oidc)"},
    {Provider, "token_endpoint", "URL", "", "overrides preset and discovery"},
    {Provider, "authorization_endpoint", "URL", "", "for logins, likewise"},
    {Provider, "device_authorization_endpoint", "URL", "", "for logins, likewise"},
    {Provider, "revocation_endpoint", "URL", "", "for logouts, likewise"},
    {Provider, "redirect_uri", "URL", "\"http://localhost\"",
     "where a browser brings the answer of a login; on this host"},
    {Provider, "scopes", "table of lists", "", "scopes for smtp, imap, pop, graph"},
    {Provider, "ca_file", "path", "", "overrides ca_file of [agent]"},
    {Provider, "proxy", "URL", "", "overrides http_proxy of [agent]"},

    {Account, "match", "address, @domain or *", "", "which accounts the rule is for"},
    {Account, "provider", "string", "", "name of a [provider.NAME]"},
    {Account, "grant", "client_credentials | delegated | service_account", "",
     "how tokens are got"},
    {Account, "login", "address", "", "who signs in for a shared mailbox"},
    {Account, "user", "string", "", "XOAUTH2 user in place of the account"},

    {Access, "user", "user", "", "who may ask, by name"},
    {Access, "uid", "integer", "", "who may ask, by number"},
    {Access, "group", "group", "", "who may ask, by group"},
    {Access, "accounts", "list of address, @domain or *", "", "for which accounts"},
    {Access, "resources", "list of smtp, imap, pop, graph", "[\"smtp\"]", "for what"},
    {Access, "verbs", "list of token, rejected", "[\"token\", \"rejected\"]", "which requests"},
};

}  // namespace

std::span<const Option> all_options() noexcept { return kOptions; }

std::vector<std::string_view> option_names(Section section) {
    return config::names_in(all_options(), section);
}

}  // namespace postbearer::agent
