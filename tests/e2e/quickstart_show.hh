// SPDX-License-Identifier: Apache-2.0
#pragma once

// How the demonstrations of tests/quickstart speak: words, log lines of programs, commands.

#include <string>
#include <vector>

#include "tests/support/log_watch.hh"
#include "tests/support/process.hh"

namespace postbearer::test {

void say(const std::string& text);
/// The same, each line set in.
void say_indented(const std::string& text);

/// One program that a message passes, and the line that says so.
struct Hop {
    const char* what;
    LogWatch log;
    std::string pattern;
};

/// Waits for each of them; numbered.
void show(const std::vector<Hop>& hops);

/// The long queue id in a line of pickup(8) or smtpd(8).
[[nodiscard]] std::string queue_id_of(const std::string& line);

/// A command line as it is typed into a shell, with the program's whole path.
[[nodiscard]] std::string typed(const std::vector<std::string>& argv);

/// A command that goes on while something else happens. What is typed is shown, then what it
/// writes, whenever somebody looks.
class ShownCommand {
public:
    /// `transcript` is a new file for the output.
    ShownCommand(const std::vector<std::string>& argv, Path transcript);

    /// The first line since the mark that matches; shows all there is by then.
    std::string wait_for(const std::string& pattern);
    void mark() { log_.mark(); }
    /// Shows the rest; anything but exit 0 fails the demonstration.
    void finish();

private:
    void show_new();

    std::string name_;
    LogWatch log_;
    std::size_t shown_ = 0;  // bytes of the transcript
    Process process_;
};

/// All of a command that ends by itself: typed, run, its output. Another exit code fails the
/// demonstration.
void show_command(const Command& command, int expected_code = 0);

}  // namespace postbearer::test
