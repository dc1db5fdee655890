// SPDX-License-Identifier: Apache-2.0
#pragma once

// The export file: text, the first line kExportHeader, then one chunk of the agent's in base64 on
// each line, then kExportEnd. What a chunk is, and that all are there in order, is the agent's to
// seal and to check; the last line only tells a copy that was cut short.

#include <cstddef>
#include <string_view>

#include "token-agent/cli/command.hh"
#include "token-agent/cli/console.hh"

namespace postbearer::cli {

inline constexpr std::string_view kExportHeader = "postbearer export 1";
inline constexpr std::string_view kExportEnd = "end";
/// What fits into one request.
inline constexpr std::size_t kMaxChunkBytes = 1000UL * 1024;

/// run_export() with a console of the caller's; the exit code.
[[nodiscard]] int export_logins(const Options& options, const Console& console);
/// `postbearer import FILE`.
[[nodiscard]] int import_logins(const Options& options, const Console& console,
                                const std::string& file);

}  // namespace postbearer::cli
