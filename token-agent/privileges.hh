// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/result.hh"

namespace postbearer::agent {

/// initgroups, setgid, setuid to `user`; nothing if it is empty. Error: Config, naming user, cause.
[[nodiscard]] Result<void> drop_privileges(const std::string& user);

/// No core dumps, no ptrace by the same uid: the process holds tokens and secrets.
void forbid_dumps() noexcept;

}  // namespace postbearer::agent
