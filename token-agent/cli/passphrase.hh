// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include "common/result.hh"
#include "common/secret.hh"
#include "token-agent/cli/console.hh"

namespace postbearer::cli {

inline constexpr std::size_t kMinPassphraseCharacters = 12;

enum class Asking : std::uint8_t { Once, Twice };

/// From `file` (closed to group and others, one newline at its end is dropped), or asked for at the
/// terminal if `file` is empty. Never from arguments or environment: others can read those. Error:
/// a sentence.
[[nodiscard]] Result<Secret> obtain_passphrase(const Console& console, const std::string& file,
                                               Asking asking);

}  // namespace postbearer::cli
