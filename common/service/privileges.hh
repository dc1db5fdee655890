// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "common/result.hh"

namespace postbearer::service {

/// initgroups, setgid, setuid to `user`; nothing if it is empty. `section` is where the setting
/// stands, "[agent]". Error: Config, naming user and cause.
[[nodiscard]] Result<void> drop_privileges(const std::string& user, std::string_view section);

/// No core dumps, no ptrace by the same uid: the process holds tokens and secrets.
void forbid_dumps() noexcept;

}  // namespace postbearer::service
