// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "tests/support/files.hh"

namespace postbearer::test {

/// What kill_point.c is to do in a program; its head says what CALL and PART may be.
struct KillPoint {
    std::string program = "postbearer-agent";
    std::string point{};  // "CALL[:PART]:N[:before|half|after]"; empty: nothing is killed
    Path trace{};         // where counted calls are written down; empty: nowhere
    Path trigger{};       // counting begins when this file exists; empty: from the start

    /// For the Command of the program, and of nobody else.
    [[nodiscard]] std::map<std::string, std::string> environment() const;
};

/// One line of a trace.
struct TracedCall {
    std::string call;
    std::string object;
    std::size_t bytes = 0;
    std::chrono::nanoseconds at{0};  // of the monotonic clock
};

/// All of them; none where nothing was counted.
[[nodiscard]] std::vector<TracedCall> traced_calls(const Path& trace);
/// How many of class `call` ("disk": all that change files) with `part` in the object's name.
[[nodiscard]] std::size_t count_calls(const std::vector<TracedCall>& calls, const std::string& call,
                                      const std::string& part = "");

}  // namespace postbearer::test
