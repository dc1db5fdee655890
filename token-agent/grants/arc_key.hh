// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/result.hh"
#include "common/secret.hh"

namespace postbearer::agent {

inline constexpr std::size_t kMaxArcKeyBytes = 4096;

/// What Azure Arc wrote for us to prove that we may read its directory: a regular file of at most
/// kMaxArcKeyBytes, no symbolic link, visible ASCII. Error: Config, with the fix.
[[nodiscard]] Result<Secret> read_arc_key(const std::string& directory, const std::string& name);

}  // namespace postbearer::agent
