// SPDX-License-Identifier: Apache-2.0
#pragma once

// The tables of the token store and how they came to be: one step for each version, each of them
// kept for ever, so that a new database and an old one go the same way. PRAGMA user_version holds
// the version, PRAGMA application_id says whose database it is.
//
//   meta(name, value)   "index-key": the key of `place`, sealed
//   record              one row for each generation of a login and for each access token
//     place             HMAC-SHA256(index key, provider and account): finds an account, names
//     nobody slot              refresh (the newest), previous (the generation before), or the
//     resource of
//                       an access token: smtp, imap, pop, graph
//     provider          in clear, as it stands in the configuration
//     generation        of the refresh token; of an access token the time of its issue
//     logged_in_at, used_at, attempt_at   Unix seconds, of refresh and previous
//     key_id            of the master key that seals the two columns that follow
//     name              sealed: account, client_id, user and what else is known of it
//     secret            sealed: the token

#include <cstdint>
#include <string>

#include "token-agent/store/database.hh"

namespace postbearer::agent {

inline constexpr std::int64_t kSchemaVersion = 2;
inline constexpr std::int64_t kApplicationId = 0x50425453;  // "PBTS"

/// From `from` (0: a new file) to kSchemaVersion, as one transaction, synced.
[[nodiscard]] Result<void> migrate(Database& database, std::int64_t from);

/// A copy of the whole database, complete and synced under a name that is `to` or begins so, or not
/// there at all; until then it is called `unfinished`, which is replaced. The name. Not inside a
/// transaction.
[[nodiscard]] Result<std::string> back_up(Database& database, const std::string& to,
                                          const std::string& unfinished);

}  // namespace postbearer::agent
