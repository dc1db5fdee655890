// SPDX-License-Identifier: Apache-2.0
#pragma once

// The directory of the daemon's state: one daemon at a time, and the way to find it for a reload.

#include <sys/types.h>

#include <optional>
#include <string>

#include "common/result.hh"
#include "common/unique_fd.hh"

namespace postbearer::milter {

/// Made if it is missing (0700), and locked until the returned descriptor is closed. Error: Config,
/// naming the directory, the cause and the fix, or the pid of the daemon that has it.
[[nodiscard]] Result<UniqueFd> lock_state_dir(const std::string& directory);

/// The pid of the daemon that holds the lock; nothing if none runs. Error: Unavailable, where that
/// cannot be told: no permission, or a holder whose pid means nothing here.
[[nodiscard]] Result<std::optional<pid_t>> daemon_of(const std::string& directory);

/// mkdir, 0700. Error: Config.
[[nodiscard]] Result<void> make_directory(const std::string& directory);

}  // namespace postbearer::milter
