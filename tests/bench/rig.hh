// SPDX-License-Identifier: Apache-2.0
#pragma once

// The processes that the programs here measure: rehearsal, agents, echo servers. All real, all in
// one private directory, none niced; the agents' audit log goes to a file.

#include <chrono>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "common/agent_messages.hh"
#include "tests/support/agent_process.hh"
#include "tests/support/rehearsal_process.hh"
#include "tests/support/temp_dir.hh"

namespace postbearer::bench {

using test::Path;

inline constexpr const char* kAccount = "relay@contoso.test";
inline constexpr const char* kHost = "smtp.office365.com";
/// As Entra's app-only tokens for Exchange Online.
inline constexpr std::size_t kTokenBytes = 1900;

/// A rehearsal that hands out tokens of kTokenBytes and one hour, and settings for its agents.
class Rig {
public:
    Rig();

    [[nodiscard]] Path operator/(const Path& child) const { return directory_ / child; }
    /// An agent NAME with its socket at NAME/agent.sock unless named; not started.
    [[nodiscard]] test::AgentSettings agent_settings(const std::string& name,
                                                     std::vector<std::string> accounts,
                                                     Path socket = {}) const;

private:
    test::TempDir directory_;
    test::Rehearsal rehearsal_;
};

/// The plugin's own request for `account`, byte for byte.
[[nodiscard]] std::string plugin_request(const std::string& account);

/// A process on the agent's kind of loop that does nothing but answer (echo_server.cc).
class EchoServer {
public:
    EchoServer(const Path& directory, std::size_t answer_bytes);

    [[nodiscard]] const Path& socket() const noexcept { return socket_; }
    [[nodiscard]] pid_t pid() const noexcept { return process_.pid(); }

private:
    Path socket_;
    test::Process process_;
};

/// A program built beside the running one.
[[nodiscard]] Path sibling(const std::string& name);

/// Where the two ends of an exchange run. Left to itself the scheduler puts one server beside its
/// client and the other one not, and a wake-up across CPUs costs more than the exchange; so every
/// ratio compares two servers on the same CPU.
enum class Placement { OneCpu, TwoCpus };

/// This process on the first CPU it may use, `servers` on the same or on the second one. What it
/// starts afterwards stays where it is.
void place(Placement placement, std::initializer_list<pid_t> servers);
[[nodiscard]] bool has_two_cpus();

/// CPU time that a process has used, all threads.
[[nodiscard]] std::chrono::nanoseconds cpu_time_of(pid_t pid);

}  // namespace postbearer::bench
