// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <regex.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/files.hh"
#include "tests/support/wait.hh"

namespace postbearer::test {

/// A POSIX extended regular expression; a wrong one fails the test.
class Pattern {
public:
    explicit Pattern(std::string text);
    [[nodiscard]] bool found_in(const std::string& line) const;
    [[nodiscard]] const std::string& text() const noexcept { return text_; }

private:
    struct Free {
        void operator()(regex_t* compiled) const noexcept;
    };
    std::string text_;
    std::unique_ptr<regex_t, Free> compiled_;
};

/// `text` with everything that means something in a Pattern escaped.
[[nodiscard]] std::string literally(const std::string& text);

/// Reads a log that somebody else writes. It begins at the start of the file; mark() moves on.
class LogWatch {
public:
    explicit LogWatch(Path path) : path_(std::move(path)) {}

    [[nodiscard]] const Path& path() const noexcept { return path_; }
    void mark() { offset_ = size_of_file(path_); }

    /// Whole lines since the mark that match.
    [[nodiscard]] std::vector<std::string> lines(const std::string& pattern) const;
    [[nodiscard]] std::size_t count(const std::string& pattern) const {
        return lines(pattern).size();
    }
    /// The first such line; fails the test with the end of the log when none comes.
    std::string wait_for(const std::string& pattern,
                         std::chrono::milliseconds patience = kPatience) const;
    void wait_for_count(std::size_t count, const std::string& pattern,
                        std::chrono::milliseconds patience = kPatience) const;

private:
    Path path_;
    std::size_t offset_ = 0;
};

}  // namespace postbearer::test
