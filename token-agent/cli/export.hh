// SPDX-License-Identifier: Apache-2.0
#pragma once

// An export file is the agent's bytes, one after the other (store/export_file.hh); they travel in
// base64. An import reads the file twice: the agent first says whether it is whole and opens, and
// only then takes the logins, so that a copy that was cut short changes nothing.

#include <cstddef>
#include <string_view>

#include "token-agent/cli/command.hh"
#include "token-agent/cli/console.hh"

namespace postbearer::cli {

inline constexpr std::string_view kExportMagic = "PBEXPORT";
/// Of the file, for one request: a third more in base64.
inline constexpr std::size_t kPieceBytes = 256UL * 1024;

/// run_export() with a console of the caller's; the exit code.
[[nodiscard]] int export_logins(const Options& options, const Console& console);
/// `postbearer import FILE`.
[[nodiscard]] int import_logins(const Options& options, const Console& console,
                                const std::string& file);

}  // namespace postbearer::cli
