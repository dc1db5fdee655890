// SPDX-License-Identifier: Apache-2.0
// SqliteStore: sealing anew with the current key. A record goes from one key to the other in one
// transaction, so at any moment both keys open everything; when the index key, which goes last, is
// sealed with the current key, that one alone does.
#include <algorithm>
#include <utility>

#include "token-agent/store/sqlite_rows.hh"
#include "token-agent/store/sqlite_store.hh"

namespace postbearer::agent {

/// In the order of ids, from where the last call ended. What is written meanwhile is sealed with
/// the current key; a generation that becomes the previous one gets a new id, after all others.
Result<std::vector<SqliteStore::Row>> SqliteStore::rows_of_other_keys(std::size_t limit) {
    auto statement =
        database_.prepare("SELECT " POSTBEARER_ROW_COLUMNS
                          " FROM record WHERE id > ? AND key_id <> ? ORDER BY id LIMIT ?");
    if (!statement) {
        return tl::unexpected(std::move(statement.error()));
    }
    statement->bind(rekeyed_)
        .bind_blob(sealer_.ring().current_id())
        .bind(static_cast<std::int64_t>(limit));
    return read_rows(*statement);
}

Result<std::uint64_t> SqliteStore::count_of_other_keys(const char* sql) {
    auto statement = database_.prepare(sql);
    if (!statement) {
        return tl::unexpected(std::move(statement.error()));
    }
    statement->bind_blob(sealer_.ring().current_id()).bind(rekeyed_);
    if (const auto row = statement->step(); !row) {
        return tl::unexpected(row.error());
    }
    return static_cast<std::uint64_t>(statement->number(0));
}

/// False: it cannot be opened and stays as it is.
Result<bool> SqliteStore::seal_anew(Statement& update, Row& row) const {
    const auto identity = sealer_.open_identity(row.sealed);
    const auto secret =
        identity ? sealer_.open_secret(row.sealed, *identity) : tl::unexpected(identity.error());
    if (!secret) {
        if (secret.error().code == Errc::Protocol || secret.error().code == Errc::Config) {
            return false;
        }
        return tl::unexpected(secret.error());
    }
    if (auto sealed = sealer_.seal(row.sealed, *identity, secret->reveal()); !sealed) {
        return tl::unexpected(std::move(sealed.error()));
    }
    update.reset();
    update.bind_blob(sealer_.ring().current_id())
        .bind_blob(row.sealed.name)
        .bind_blob(row.sealed.secret)
        .bind(row.id);
    if (auto done = update.run(); !done) {
        return tl::unexpected(std::move(done.error()));
    }
    return true;
}

Result<void> SqliteStore::seal_index_key_anew() {
    const auto now = database_.text("SELECT value FROM meta WHERE name = 'index-key'");
    if (!now) {
        return tl::unexpected(now.error());
    }
    if (key_id_of(*now) == std::string_view(sealer_.ring().current_id())) {
        return {};
    }
    const auto sealed = sealer_.ring().seal(kIndexKeyPlace, sealer_.index_key().reveal());
    if (!sealed) {
        return tl::unexpected(sealed.error());
    }
    auto statement = database_.prepare("UPDATE meta SET value = ? WHERE name = 'index-key'");
    if (!statement) {
        return tl::unexpected(std::move(statement.error()));
    }
    return statement->bind_blob(*sealed).run();
}

Result<RekeyProgress> SqliteStore::rekey(std::size_t limit) {
    auto transaction = begin_write(Durability::Synced);
    if (!transaction) {
        return tl::unexpected(std::move(transaction.error()));
    }
    auto rows = rows_of_other_keys(std::max<std::size_t>(limit, 1));
    auto update =
        database_.prepare("UPDATE record SET key_id = ?, name = ?, secret = ? WHERE id = ?");
    if (!rows || !update) {
        return tl::unexpected(!rows ? rows.error() : update.error());
    }
    RekeyProgress progress;
    const std::int64_t began_at =
        std::exchange(rekeyed_, rows->empty() ? rekeyed_ : rows->back().id);
    const auto roll_back = [this, began_at](Error error) {
        rekeyed_ = began_at;
        return tl::unexpected(std::move(error));
    };
    for (Row& row : *rows) {
        const auto done = seal_anew(*update, row);
        if (!done) {
            return roll_back(done.error());
        }
        progress.done += *done ? 1 : 0;
    }
    const auto remaining =
        count_of_other_keys("SELECT count(*) FROM record WHERE key_id <> ? AND id > ?");
    const auto unreadable =
        count_of_other_keys("SELECT count(*) FROM record WHERE key_id <> ? AND id <= ?");
    if (!remaining || !unreadable) {
        return roll_back(!remaining ? remaining.error() : unreadable.error());
    }
    progress.remaining = *remaining;
    progress.unreadable = *unreadable;
    if (progress.remaining == 0) {
        if (auto done = seal_index_key_anew(); !done) {
            return roll_back(std::move(done.error()));
        }
    }
    if (auto done = transaction->commit(); !done) {
        return roll_back(std::move(done.error()));
    }
    if (progress.remaining == 0) {
        rekeyed_ = 0;
        empty_log();
    }
    return progress;
}

}  // namespace postbearer::agent
