// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "common/unique_fd.hh"
#include "tests/support/files.hh"

namespace postbearer::bench {

/// Counts a word in what a growing file gets from now on, each byte read once. One word for each
/// object.
class LogCount {
public:
    explicit LogCount(const test::Path& path);

    [[nodiscard]] std::size_t of(std::string_view word);

private:
    UniqueFd fd_;
    std::string text_;
    std::size_t count_ = 0;
};

}  // namespace postbearer::bench
