// SPDX-License-Identifier: Apache-2.0
#pragma once

// Between columns of `record` and values; for the sources of SqliteStore only.

#include "token-agent/store/database.hh"
#include "token-agent/store/records.hh"

/// In the order of SqliteStore::read_row(). A macro, because statements are literals.
#define POSTBEARER_ROW_COLUMNS \
    "id, place, slot, provider, generation, name, secret, logged_in_at, used_at, attempt_at"

namespace postbearer::agent {

[[nodiscard]] inline std::int64_t unix_seconds(WallTime time) {
    return time.time_since_epoch().count();
}

[[nodiscard]] inline WallTime wall_time(std::int64_t seconds) {
    return WallTime(std::chrono::seconds(seconds));
}

/// For messages.
[[nodiscard]] inline std::string words_of(const RecordName& name) {
    return "account '" + name.account + "' at provider '" + name.provider + "'";
}

/// place, slot, provider, generation, key_id, name, secret.
inline void bind_sealed(Statement& statement, const SealedRow& row, std::string_view key_id) {
    statement.bind_blob(row.place).bind_text(row.slot).bind_text(row.provider);
    statement.bind(row.generation).bind_blob(key_id).bind_blob(row.name).bind_blob(row.secret);
}

}  // namespace postbearer::agent
