// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "token-agent/cli/command.hh"
#include "token-agent/cli/console.hh"

namespace postbearer::cli {

/// run_import() with a console of the caller's; the exit code.
[[nodiscard]] int import(const Options& options, const Console& console);
/// The first argument is "sasl-xoauth2", the others are token files.
[[nodiscard]] int import_sasl_xoauth2(const Options& options, const Console& console);

}  // namespace postbearer::cli
