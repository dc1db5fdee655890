// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is wrong with a configuration: gathered over all files in one run, printed in file order.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/text.hh"

namespace postbearer::config {

/// A place in one of the files; line 0 means the file as a whole. Lines and columns count from 1,
/// columns in characters.
struct Position {
    std::uint16_t file = 0;  // index into Problems::files()
    std::uint32_t line = 0;
    std::uint32_t column = 0;
};

enum class Severity : std::uint8_t { Error, Warning };

struct Problem {
    Position at;
    Severity severity = Severity::Error;
    std::string text;  // one sentence, never a value of a secret key
};

class Problems {
public:
    /// Returns the index for Position::file. At most 65,535 files.
    [[nodiscard]] std::uint16_t add_file(std::string name);
    [[nodiscard]] const std::vector<std::string>& files() const noexcept { return files_; }

    void error(Position at, std::string text);
    void warn(Position at, std::string text);
    [[nodiscard]] bool has_errors() const noexcept { return errors_ > 0; }

    /// FILE:LINE:COL, or FILE alone.
    [[nodiscard]] std::string describe(Position at) const;
    /// `FILE:LINE:COL: text` for each problem of that severity, sorted by position.
    [[nodiscard]] std::vector<std::string> lines(Severity severity) const;

private:
    std::vector<std::string> files_;
    std::vector<Problem> problems_;
    std::size_t errors_ = 0;
};

/// `; did you mean 'word'?` for a near miss, else nothing.
template <typename Range>
[[nodiscard]] std::string suggestion(std::string_view word, const Range& candidates) {
    const std::string_view best = closest_word(word, candidates);
    return best.empty() ? std::string() : "; did you mean '" + std::string(best) + "'?";
}

}  // namespace postbearer::config
