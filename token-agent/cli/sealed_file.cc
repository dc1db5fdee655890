// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/command.hh"
namespace postbearer::cli {
int run_export(const Options&) { return kFailed; }
}  // namespace postbearer::cli
