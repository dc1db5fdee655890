// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/log_watch.hh"
#include "tests/support/process.hh"

namespace postbearer::test {

/// An app registration as agent.toml names it; the secret goes into a file of mode 0600. Without
/// one it is a public client.
struct AgentProvider {
    std::string name = "rehearsal";
    std::string type = "microsoft";
    std::string tenant = "contoso.test";
    std::string client_id = "11111111-1111-1111-1111-111111111111";
    std::string secret = "correct horse battery staple";  // empty: a public client
    std::string token_endpoint;
    std::string more{};  // further lines of the table
};

struct AgentAccount {
    std::string match;
    std::string provider = "rehearsal";
    std::string grant = "client_credentials";
    std::string more{};
};

struct AgentAccess {
    std::string subject = "user = \"postfix\"";
    std::string accounts = "[\"*\"]";
    std::string resources = "[\"smtp\"]";
};

struct AgentSettings {
    Path directory{};        // configuration, secrets, store, log
    Path store_directory{};  // empty: DIRECTORY/state
    /// 32 bytes each, the present one first.
    std::vector<std::string> master_keys{"0123456789abcdef0123456789abcdef"};
    std::vector<Path> sockets{};  // the first one is waited for
    Path ca_file{};
    std::string more{};  // further lines of [agent]
    std::vector<AgentProvider> providers{};
    std::vector<AgentAccount> accounts{};
    std::vector<AgentAccess> access{AgentAccess()};
    std::map<std::string, std::string> environment{};
};

/// postbearer-agent, configured by a file of its own and logging into DIRECTORY/agent.log.
class Agent {
public:
    Agent(Path program, AgentSettings settings);
    ~Agent();
    Agent(Agent&&) = delete;
    Agent& operator=(Agent&&) = delete;
    Agent(const Agent&) = delete;
    Agent& operator=(const Agent&) = delete;

    /// Returns when the first socket takes connections.
    void start();
    /// Without waiting: it may end before it listens.
    void launch();
    /// launch(), then: whether it came to listen before it ended.
    [[nodiscard]] bool launch_and_listen();
    /// How it ended; nullopt: it still runs.
    std::optional<ExitStatus> wait(std::chrono::milliseconds patience) {
        return process_.wait(patience);
    }
    void stop();
    /// SIGKILL: no clean-up, the socket's file stays behind.
    void kill();
    /// Writes the changed settings; SIGHUP follows.
    void reload();

    [[nodiscard]] AgentSettings& settings() noexcept { return settings_; }
    /// Writes agent.toml and the secrets from the settings.
    void write_configuration() const;

    [[nodiscard]] bool running() { return process_.running(); }
    [[nodiscard]] pid_t pid() const noexcept { return process_.pid(); }
    [[nodiscard]] const Path& socket() const { return settings_.sockets.front(); }
    [[nodiscard]] Path configuration() const { return settings_.directory / "agent.toml"; }
    [[nodiscard]] Path admin_socket() const { return settings_.directory / "admin.sock"; }
    [[nodiscard]] Path store_directory() const {
        return settings_.store_directory.empty() ? settings_.directory / "state"
                                                 : settings_.store_directory;
    }
    [[nodiscard]] Path store() const { return store_directory() / "tokens.db"; }
    [[nodiscard]] Path log_path() const { return settings_.directory / "agent.log"; }
    [[nodiscard]] LogWatch log() const { return LogWatch(log_path()); }

private:
    [[nodiscard]] std::string agent_toml() const;
    [[nodiscard]] std::string store_toml() const;
    [[nodiscard]] Path master_key(std::size_t index) const;

    Path program_;
    AgentSettings settings_;
    Process process_;
};

/// Whether somebody listens there.
[[nodiscard]] bool takes_connections(const Path& unix_socket);

}  // namespace postbearer::test
