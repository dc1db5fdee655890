// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "common/result.hh"

namespace postbearer::service {

/// initgroups, setgid, setuid to `user`; nothing if it is empty. `section` is where the setting
/// stands, "[agent]". Error: Config, naming user and cause.
[[nodiscard]] Result<void> drop_privileges(const std::string& user, std::string_view section);

/// As many descriptors as the hard limit allows; the soft one serves too, with fewer clients.
void raise_descriptor_limit() noexcept;

/// No core dumps, no ptrace by the same uid: the process holds tokens and secrets.
void forbid_dumps() noexcept;

}  // namespace postbearer::service
