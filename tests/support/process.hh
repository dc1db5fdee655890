// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/unique_fd.hh"
#include "tests/support/files.hh"

namespace postbearer::test {

/// What to run. The environment is only what stands here, with a plain PATH and LANG=C.
struct Command {
    std::vector<std::string> argv;  // argv[0] is looked up in the plain PATH
    std::map<std::string, std::string> environment{};
    std::string input{};  // on stdin
    Path output_file{};   // stdout, appended; empty: /dev/null
    Path error_file{};    // stderr, appended; empty: like stdout
    std::string user{};   // run as this user with its groups; empty: as we are
    /// For daemons that change their ids for a moment, as Postfix's master(8) does: that resets
    /// PR_SET_PDEATHSIG, so a process of ours ends their group when the test process dies.
    bool guarded = false;
};

struct ExitStatus {
    int code = -1;  // of exit(3), -1 when a signal ended it
    int signal = 0;
    [[nodiscard]] bool ok() const noexcept { return code == 0; }
    [[nodiscard]] std::string describe() const;
};

/// A child in a session of its own. Whatever happens, neither it nor its process group outlives
/// this object; ended by pid, never by name.
class Process {
public:
    Process() = default;
    explicit Process(const Command& command);
    Process(Process&& other) noexcept;
    Process& operator=(Process&& other) noexcept;
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process();

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    [[nodiscard]] bool running();
    void signal(int number) const;
    /// nullopt: still running after `patience`.
    std::optional<ExitStatus> wait(std::chrono::milliseconds patience);
    /// `first_signal`, then SIGKILL for the whole group when it does not obey.
    ExitStatus stop(std::chrono::milliseconds patience, int first_signal = 15);

private:
    void guard();
    void reap_group() noexcept;

    std::string name_;
    pid_t pid_ = -1;
    UniqueFd pid_fd_;
    pid_t guard_ = -1;
    UniqueFd alive_;  // closed when we die, which is the guard's signal
    std::optional<ExitStatus> status_;
};

struct Finished {
    ExitStatus status;
    std::string output;
    std::string error;
    [[nodiscard]] bool ok() const noexcept { return status.ok(); }
};

/// Runs to the end; a command that takes longer than `patience` is killed and fails the test.
Finished run(Command command, std::chrono::milliseconds patience = std::chrono::seconds(60));
/// As above, and anything but exit 0 fails the test, with what it wrote. Returns stdout.
std::string run_ok(Command command, std::chrono::milliseconds patience = std::chrono::seconds(60));

/// Orphans of our children become ours, so that nobody escapes live_descendants().
void adopt_orphans();
/// Every process below this one that is not a zombie, as "pid name".
[[nodiscard]] std::vector<std::string> live_descendants();
/// Collects finished orphans.
void reap_orphans();

}  // namespace postbearer::test
