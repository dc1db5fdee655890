// SPDX-License-Identifier: Apache-2.0
#pragma once

// Logins as bytes: what a frame of an export holds once it is opened. Fields are framed as in
// framing.hh, a version first; what is not exactly that is refused, whoever wrote it.

#include <string_view>
#include <vector>

#include "common/result.hh"
#include "common/secret.hh"
#include "token-agent/store/framing.hh"
#include "token-agent/store/token_store.hh"

namespace postbearer::agent {

inline constexpr std::size_t kMostExportedNameBytes = 1024;  // provider, account, client, user
inline constexpr std::size_t kMostExportedTokenBytes = 64UL * 1024;  // more than any provider's

/// One login after the other; a batch is as many as were added. Protocol: a name or token is longer
/// than a reader takes.
[[nodiscard]] Result<void> add_login(FieldWriter& batch, const DumpedLogin& login);
/// An empty batch holds no login. Protocol: not what add_login() writes.
[[nodiscard]] Result<std::vector<DumpedLogin>> read_batch(std::string_view bytes);

}  // namespace postbearer::agent
