// SPDX-License-Identifier: Apache-2.0
#pragma once

// The verbs that concern the milter daemon are done by its own program, so that both judge alike
// and this package needs nothing of the other.

#include <optional>
#include <string>
#include <vector>

#include "token-agent/cli/command.hh"

namespace postbearer::cli {

/// Where postbearer-milter lies: $POSTBEARER_MILTER_PROGRAM, ../sbin beside this program, the
/// directory of this build. nullopt: it is not installed.
[[nodiscard]] std::optional<std::string> milter_program();

/// Becomes postbearer-milter with these arguments; comes back only if that fails.
int become_milter(std::string_view verb, const std::vector<std::string>& arguments);

struct MilterRun {
    int code = 0;
    std::string output;  // only if it was asked for
};

enum class Output { Shown, Kept };

/// Runs it beside `options.config` (milter.toml in the same directory) and waits. nullopt: there
/// is no milter.toml, or no program: nothing to do.
[[nodiscard]] std::optional<MilterRun> run_milter(const Options& options, const std::string& task,
                                                  Output output);

}  // namespace postbearer::cli
