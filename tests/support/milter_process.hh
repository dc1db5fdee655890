// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "tests/support/log_watch.hh"
#include "tests/support/process.hh"

namespace postbearer::test {

struct MilterSettings {
    Path directory{};      // configuration, state, log
    Path milter_socket{};  // both below Postfix's queue directory
    Path lmtp_socket{};
    Path agent_socket{};
    std::string endpoint{};
    Path ca_file{};
    std::string milter_more{};  // further lines of [milter]
    std::string graph_more{};   // further lines of [graph]
    std::string routes{};       // [[route]] tables
    std::string socket_mode = "0660";
};

/// postbearer-milter, configured by a file of its own and logging into DIRECTORY/milter.log.
class MilterDaemon {
public:
    MilterDaemon(Path program, MilterSettings settings);
    ~MilterDaemon();
    MilterDaemon(MilterDaemon&&) = delete;
    MilterDaemon& operator=(MilterDaemon&&) = delete;
    MilterDaemon(const MilterDaemon&) = delete;
    MilterDaemon& operator=(const MilterDaemon&) = delete;

    /// Returns when both sockets take connections.
    void start();
    /// SIGTERM; it must end with 0.
    void stop();
    void kill();
    /// Writes the changed settings, SIGUSR1, and waits for the log's word on it.
    void reload();

    [[nodiscard]] MilterSettings& settings() noexcept { return settings_; }
    void write_configuration() const;

    [[nodiscard]] bool running() { return process_.running(); }
    [[nodiscard]] pid_t pid() const noexcept { return process_.pid(); }
    [[nodiscard]] Path configuration() const { return settings_.directory / "milter.toml"; }
    [[nodiscard]] Path log_path() const { return settings_.directory / "milter.log"; }
    [[nodiscard]] LogWatch log() const { return LogWatch(log_path()); }

private:
    [[nodiscard]] std::string milter_toml() const;

    Path program_;
    MilterSettings settings_;
    Process process_;
};

}  // namespace postbearer::test
