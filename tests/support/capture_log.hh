// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "common/log.hh"

namespace postbearer::test {

/// Keeps what was logged.
class CaptureLog final : public Log {
public:
    void write(const LogLine& line) override { lines_.push_back(line.text()); }

    [[nodiscard]] const std::vector<std::string>& lines() const noexcept { return lines_; }
    /// Lines that hold `part`.
    [[nodiscard]] std::size_t count(std::string_view part) const {
        return static_cast<std::size_t>(std::count_if(
            lines_.begin(), lines_.end(),
            [part](const std::string& line) { return line.find(part) != std::string::npos; }));
    }
    [[nodiscard]] std::string last() const { return lines_.empty() ? "" : lines_.back(); }

private:
    std::vector<std::string> lines_;
};

}  // namespace postbearer::test
