// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postbearer::milter {

/// The limits that a 429 names in its message; the words are not part of Graph's contract, but
/// nothing else tells them apart (graph.md 3.1).
enum class ThrottleLimit : std::uint8_t { None, MailboxConcurrency, RequestRate, IncomingBytes };

/// What is read of an answer that is no success. All texts are printable and short.
struct GraphFault {
    int status = 0;
    std::vector<std::string>
        codes;  // error.code, then the innerError chain; the most specific last
    ThrottleLimit limit = ThrottleLimit::None;
    bool names_request_length = false;  // 400 BadRequest: "The maximum request length ..."
    std::string request_id;             // innerError's; the header goes before it
};

inline constexpr std::size_t kMaxFaultBytes = 64UL * 1024;  // more of a body is not looked at
inline constexpr std::size_t kMaxCodeBytes = 64;

/// Any body will do: HTML, nothing, JSON of another shape give a fault without codes.
[[nodiscard]] GraphFault read_fault(int status, std::string_view body);

}  // namespace postbearer::milter
