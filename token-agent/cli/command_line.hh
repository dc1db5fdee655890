// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "token-agent/cli/command.hh"

namespace postbearer::cli {

/// The options behind a verb, argv[0] being the verb. False: said on stderr what is wrong.
[[nodiscard]] bool parse_options(int argc, char** argv, Options& options);

/// The first option that was given and that does not stand in `usage`, the usage line of a verb:
/// ignoring it might do what it was to prevent ("logout --dry-run").
[[nodiscard]] std::optional<std::string_view> foreign_option(std::string_view usage,
                                                             const Options& options);

}  // namespace postbearer::cli
