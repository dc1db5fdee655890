// SPDX-License-Identifier: Apache-2.0
#pragma once

// postbearer-agent as systemd, an init script or an attacker meets it: passed sockets, notify
// socket, odd descriptors, raw connections under any uid.

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/unique_fd.hh"
#include "tests/support/process.hh"
#include "tests/support/temp_dir.hh"
#include "tests/support/wait.hh"

namespace postbearer::test {

/// Effective uid and primary group of this process for one scope, without other groups: what
/// SO_PEERCRED and SO_PEERGROUPS say of a connect(2) made in it.
class ActAs {
public:
    explicit ActAs(uid_t uid, gid_t gid);
    ~ActAs();
    ActAs(const ActAs&) = delete;
    ActAs& operator=(const ActAs&) = delete;
    ActAs(ActAs&&) = delete;
    ActAs& operator=(ActAs&&) = delete;

private:
    std::vector<gid_t> groups_;
};

/// A connection that says what it is told to, well-formed or not.
class RawClient {
public:
    /// Invalid (connected() is false) where nobody listens or it is not allowed.
    explicit RawClient(const Path& socket);

    [[nodiscard]] bool connected() const noexcept { return fd_.valid(); }
    /// What the socket takes at once; false: it takes no more, or the connection has ended.
    bool send(std::string_view bytes) const;
    void end_of_requests() const;
    /// The next whole answer; what has come of it when patience or connection ended.
    std::string answer(std::chrono::milliseconds patience = std::chrono::seconds(10));
    [[nodiscard]] bool ends_within(std::chrono::milliseconds patience);
    /// send() and answer().
    std::string ask(std::string_view request,
                    std::chrono::milliseconds patience = std::chrono::seconds(10));

private:
    /// False: nothing came in time, or it is the end.
    bool read_more(std::chrono::milliseconds patience);

    UniqueFd fd_;
    std::string received_;
    bool ended_ = false;
};

/// One request over a connection of its own.
std::string ask_once(const Path& socket, std::string_view request,
                     std::chrono::milliseconds patience = std::chrono::seconds(10));

/// A listening stream socket, as systemd makes them.
[[nodiscard]] UniqueFd listening_socket(const Path& path, mode_t mode);

/// The other end of NOTIFY_SOCKET.
class NotifySocket {
public:
    explicit NotifySocket(const Path& path);
    /// The next message; empty when none came in time.
    std::string next(std::chrono::milliseconds patience = std::chrono::seconds(20)) const;
    /// The next one that is no WATCHDOG=1.
    std::string next_state() const;

private:
    UniqueFd fd_;
};

struct Surroundings {
    std::map<std::string, std::string> environment{};
    std::vector<std::pair<std::string, int>> passed{};  // FileDescriptorName and descriptor
    int error_fd = -1;                                  // stderr; -1: the log file
    bool standard_closed = false;                       // 0, 1 and 2
};

/// Starts `program --config CONFIGURATION` in a session of its own; the pid.
[[nodiscard]] pid_t spawn_daemon(const Path& program, const Path& configuration, const Path& log,
                                 const Surroundings& surroundings);

/// An agent with a configuration of its own in a private directory.
class RawAgent {
public:
    RawAgent();
    ~RawAgent();
    RawAgent(const RawAgent&) = delete;
    RawAgent& operator=(const RawAgent&) = delete;
    RawAgent(RawAgent&&) = delete;
    RawAgent& operator=(RawAgent&&) = delete;

    /// agent.toml: [agent] with our sockets and `agent_lines`, then `more` or a provider that
    /// nobody can reach with an account for @contoso.test that root may use.
    void configure(const std::string& agent_lines = "", const std::string& more = "") const;
    void launch(const Surroundings& surroundings = {});
    /// launch(), and it answers a ping.
    void start(const Surroundings& surroundings = {});
    std::optional<ExitStatus> wait(std::chrono::milliseconds patience = kPatience);
    void signal(int number) const;
    /// SIGTERM; it must end well.
    void stop();

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    [[nodiscard]] const Path& directory() const noexcept { return directory_.path(); }
    [[nodiscard]] Path configuration() const { return directory_ / "agent.toml"; }
    [[nodiscard]] Path socket() const { return directory_ / "agent.sock"; }
    [[nodiscard]] Path admin_socket() const { return directory_ / "admin.sock"; }
    [[nodiscard]] std::string log() const { return read_file(log_path()); }
    [[nodiscard]] Path log_path() const { return directory_ / "agent.log"; }
    void wait_for_log(const std::string& part) const;
    /// "Name:\tvalue" of /proc/PID/status.
    [[nodiscard]] std::string process_status(const std::string& name) const;

private:
    TempDir directory_{"pb-agent"};
    pid_t pid_ = -1;
    UniqueFd pid_fd_;
};

}  // namespace postbearer::test
