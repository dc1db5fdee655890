// SPDX-License-Identifier: Apache-2.0
#include "tests/e2e/quickstart_show.hh"

#include <cstdio>
#include <utility>

#include "tests/support/failure.hh"

namespace postbearer::test {
namespace {

/// With the program's name alone: that is how it is installed.
std::string prompt(std::vector<std::string> argv) {
    argv.front() = Path(argv.front()).filename();
    return "$ " + typed(argv);
}

}  // namespace

void say(const std::string& text) {
    std::printf("%s\n", text.c_str());
    (void)std::fflush(stdout);
}

void say_indented(const std::string& text) {
    for (const std::string& line : split_lines(text)) {
        say(line.empty() ? "" : "   " + line);
    }
}

void show(const std::vector<Hop>& hops) {
    int number = 0;
    for (const Hop& hop : hops) {
        const std::string line = hop.log.wait_for(hop.pattern);
        say(std::to_string(++number) + ". " + hop.what + "\n   " + line);
    }
}

std::string queue_id_of(const std::string& line) {
    const std::size_t begin = line.find("]: ") + 3;
    return line.substr(begin, line.find(':', begin) - begin);
}

std::string typed(const std::vector<std::string>& argv) {
    std::string line;
    for (const std::string& word : argv) {
        const bool plain = word.find_first_of(" &?*'\"$;<>|()") == std::string::npos;
        line += (line.empty() ? "" : " ") + (plain ? word : "'" + word + "'");
    }
    return line;
}

ShownCommand::ShownCommand(const std::vector<std::string>& argv, Path transcript)
    : name_(typed(argv)), log_(std::move(transcript)) {
    say(prompt(argv));
    process_ = Process({.argv = argv, .output_file = log_.path()});
}

std::string ShownCommand::wait_for(const std::string& pattern) {
    std::string line = log_.wait_for(pattern);
    show_new();
    return line;
}

void ShownCommand::finish() {
    const auto status = process_.wait(kPatience);
    show_new();
    if (!status || !status->ok()) {
        fail(name_ + ": " + (status ? status->describe() : "it did not end"));
    }
}

void ShownCommand::show_new() {
    const std::string text = read_file(log_.path(), shown_);
    shown_ += text.size();
    say_indented(text);
}

void show_command(const Command& command, int expected_code) {
    say(prompt(command.argv) + (command.input.empty() ? "" : " <message"));
    const Finished finished = run(command);
    say_indented(finished.output + finished.error);
    if (finished.status.code != expected_code) {
        fail(typed(command.argv) + ": " + finished.status.describe());
    }
}

}  // namespace postbearer::test
