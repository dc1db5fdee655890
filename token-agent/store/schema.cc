// SPDX-License-Identifier: Apache-2.0
#include "token-agent/store/schema.hh"

#include <unistd.h>

#include "token-agent/store/store_files.hh"

namespace postbearer::agent {
namespace {

// kSteps[n] leads from version n to n + 1. What has been released is never changed.
constexpr const char* kSteps[] = {
    // The blobs come last, so that what is searched stands on the first page of a row.
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE record ("
    " id INTEGER PRIMARY KEY,"
    " place BLOB NOT NULL,"
    " slot TEXT NOT NULL,"
    " provider TEXT NOT NULL,"
    " generation INTEGER NOT NULL,"
    " logged_in_at INTEGER,"
    " used_at INTEGER,"
    " key_id BLOB NOT NULL,"
    " name BLOB NOT NULL,"
    " secret BLOB NOT NULL,"
    " UNIQUE (place, slot)) STRICT;"
    "CREATE INDEX record_key ON record (key_id);"
    "CREATE INDEX record_used ON record (used_at) WHERE slot = 'refresh';",

    "ALTER TABLE record ADD COLUMN attempt_at INTEGER;",
};
static_assert(sizeof kSteps / sizeof kSteps[0] == kSchemaVersion);

Result<void> copy_into(Database& database, const std::string& file) {
    auto statement = database.prepare("VACUUM INTO ?");
    if (!statement) {
        return tl::unexpected(std::move(statement.error()));
    }
    if (auto copied = statement->bind_text(file).run(); !copied) {
        return copied;
    }
    return sync_file(file);  // SQLite does not sync this copy
}

}  // namespace

Result<void> migrate(Database& database, std::int64_t from) {
    auto transaction = Transaction::begin(database);
    if (!transaction) {
        return tl::unexpected(std::move(transaction.error()));
    }
    for (std::int64_t version = from; version < kSchemaVersion; ++version) {
        if (auto done = database.execute(kSteps[version]); !done) {
            return done;
        }
    }
    const std::string marks = "PRAGMA user_version = " + std::to_string(kSchemaVersion) +
                              "; PRAGMA application_id = " + std::to_string(kApplicationId);
    if (auto done = database.execute(marks.c_str()); !done) {
        return done;
    }
    return transaction->commit();
}

Result<std::string> back_up(Database& database, const std::string& to,
                            const std::string& unfinished) {
    (void)::unlink(unfinished.c_str());  // of an attempt that was cut short
    // SQLite takes an empty file that is there, and so leaves its mode as it is.
    if (auto made = create_private_file(unfinished); !made) {
        return tl::unexpected(std::move(made.error()));
    }
    const auto copied = copy_into(database, unfinished);
    auto name = copied ? rename_to_new(unfinished, to) : tl::unexpected(copied.error());
    if (!name) {
        (void)::unlink(unfinished.c_str());
        return name;
    }
    if (auto synced = sync_directory_of(to); !synced) {
        return tl::unexpected(std::move(synced.error()));
    }
    return name;
}

}  // namespace postbearer::agent
