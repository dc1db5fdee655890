// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "token-agent/cli/command.hh"

namespace postbearer::cli {

/// The options behind a verb, argv[0] being the verb. False: said on stderr what is wrong.
[[nodiscard]] bool parse_options(int argc, char** argv, Options& options);

}  // namespace postbearer::cli
