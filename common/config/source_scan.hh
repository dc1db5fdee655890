// SPDX-License-Identifier: Apache-2.0
#pragma once

// A look at a TOML text before toml++ 3.3 gets it: characters beyond ASCII outside quotes and
// comments, which it words badly (typographic quotes come with every copy from a web page), and
// keys of unbounded depth, which it does not survive (its trees are destroyed recursively).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postbearer::config {

inline constexpr int kMaxKeyDots = 32;

struct ScanFault {
    std::uint32_t line = 0;
    std::uint32_t column = 0;
    std::string text;
};

/// The first such place. Other mistakes are left to the parser.
[[nodiscard]] std::optional<ScanFault> scan_source(std::string_view text);

}  // namespace postbearer::config
