// SPDX-License-Identifier: Apache-2.0
#pragma once

// postbearer-milter as systemd, an init script or an attacker meets it (agent_rig.hh, for the other
// daemon).

#include "tests/e2e/agent_rig.hh"
#include "tests/support/dialogue.hh"

namespace postbearer::test {

/// A milter daemon with a configuration of its own in a private directory; its agent and its Graph
/// are not there.
class RawMilter {
public:
    RawMilter();
    ~RawMilter();
    RawMilter(const RawMilter&) = delete;
    RawMilter& operator=(const RawMilter&) = delete;
    RawMilter(RawMilter&&) = delete;
    RawMilter& operator=(RawMilter&&) = delete;

    /// milter.toml: `milter_lines` after our own of [milter]; `listen` and `lmtp` in place of our
    /// sockets.
    void configure(const std::string& milter_lines = "", const std::string& listen = "",
                   const std::string& lmtp = "") const;
    void launch(const Surroundings& surroundings = {});
    /// launch(), and both fronts answer.
    void start(const Surroundings& surroundings = {});
    std::optional<ExitStatus> wait(std::chrono::milliseconds patience = kPatience);
    void signal(int number) const;
    /// SIGTERM; it must end well.
    void stop();
    /// launch() of something that cannot start: exit 78, and the last line of the log.
    std::string refuses_to_start(const Surroundings& surroundings = {});

    /// Both fronts say what they should to a new connection.
    [[nodiscard]] bool serves() const;

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    [[nodiscard]] const Path& directory() const noexcept { return directory_.path(); }
    [[nodiscard]] Path configuration() const { return directory_ / "milter.toml"; }
    [[nodiscard]] Path milter_socket() const { return directory_ / "milter.sock"; }
    [[nodiscard]] Path lmtp_socket() const { return directory_ / "graph.sock"; }
    [[nodiscard]] Path state() const { return directory_ / "state"; }
    [[nodiscard]] Path log_path() const { return directory_ / "milter.log"; }
    [[nodiscard]] std::string log() const { return read_file(log_path()); }
    /// "Name:\tvalue" of /proc/PID/status.
    [[nodiscard]] std::string process_status(const std::string& name) const;

private:
    TempDir directory_{"pb-milter"};
    pid_t pid_ = -1;
    UniqueFd pid_fd_;
};

/// Whether a milter answers the offer of Postfix 3.7 (SMFIC_OPTNEG).
[[nodiscard]] bool negotiates(Dialogue connection);

}  // namespace postbearer::test
