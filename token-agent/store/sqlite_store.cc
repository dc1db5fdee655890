// SPDX-License-Identifier: Apache-2.0
#include "token-agent/store/sqlite_store.hh"

#include <utility>

#include "token-agent/store/sqlite_rows.hh"

namespace postbearer::agent {
namespace {

tl::unexpected<Error> other_client(const RecordName& name, const std::string& client_id) {
    return failure(Errc::Denied, "the login of " + words_of(name) + " was made with client_id " +
                                     client_id + " and the configuration says " + name.client_id +
                                     ": run postbearer login " + name.account);
}

}  // namespace

SqliteStore::SqliteStore(Opening /*opening*/, Options options, OpenStore store)
    : path_(std::move(options.path)),
      busy_timeout_(options.busy_timeout),
      clock_(options.clock),
      database_(std::move(store.database)),
      identity_(store.identity),
      report_(std::move(store.report)),
      sealer_(std::move(options.ring), std::move(store.index_key)) {}

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(Options options) {
    auto store = open_store(options.path, options.ring, options.busy_timeout, options.clock.wall());
    if (!store) {
        return tl::unexpected(std::move(store.error()));
    }
    return std::make_unique<SqliteStore>(Opening(), std::move(options), std::move(*store));
}

/// What goes into a file without a name is lost when we end, and SQLite does not look. A file that
/// took its place has an index key and perhaps a schema of its own.
Result<void> SqliteStore::check_same_file() const {
    if (identity_of(path_) != identity_) {
        return failure(Errc::Unavailable, "token store " + path_ +
                                              ": the file was removed or replaced while in use: "
                                              "restart postbearer-agent");
    }
    return {};
}

/// What made it read-only may be over: a full disk, a file system that was remounted.
Result<void> SqliteStore::become_writable() {
    if (report_.read_only.empty()) {
        return {};
    }
    auto database = connect_writable(path_, busy_timeout_);
    if (!database) {
        return failure(Errc::Unavailable, database.error().context);
    }
    // Between the look at the file and its opening it may have been replaced after all.
    if (auto same = check_same_file(); !same) {
        return same;
    }
    database_ = std::move(*database);
    report_.read_only.clear();
    synced_ = true;
    return {};
}

Result<Transaction> SqliteStore::begin_write(Durability durability) {
    if (auto same = check_same_file(); !same) {
        return tl::unexpected(std::move(same.error()));
    }
    if (auto writable = become_writable(); !writable) {
        return tl::unexpected(std::move(writable.error()));
    }
    const bool synced = durability == Durability::Synced;
    if (synced != synced_) {
        if (auto set = database_.execute(synced ? "PRAGMA synchronous = FULL"
                                                : "PRAGMA synchronous = NORMAL");
            !set) {
            return tl::unexpected(std::move(set.error()));
        }
        synced_ = synced;
    }
    return Transaction::begin(database_);
}

Result<std::string> SqliteStore::place_of(const RecordName& name) const {
    return sealer_.place_of(name.provider, name.account);
}

Result<std::int64_t> SqliteStore::run_at(const char* sql, const std::string& place,
                                         std::optional<WallTime> time) {
    auto statement = database_.prepare(sql);
    if (!statement) {
        return tl::unexpected(std::move(statement.error()));
    }
    statement->bind_blob(place);
    if (time) {
        statement->bind(unix_seconds(*time));
    }
    if (auto done = statement->run(); !done) {
        return tl::unexpected(std::move(done.error()));
    }
    return database_.changes();
}

/// Copies of what was deleted are in the log until it is written over. Failing harms nothing: the
/// next checkpoint does it.
void SqliteStore::empty_log() { (void)database_.execute("PRAGMA wal_checkpoint(TRUNCATE)"); }

Result<std::vector<SqliteStore::Row>> SqliteStore::login_rows(const std::string& place) {
    auto statement =
        database_.prepare("SELECT " POSTBEARER_ROW_COLUMNS
                          " FROM record WHERE place = ? AND slot IN ('refresh', 'previous')"
                          " ORDER BY generation DESC, slot DESC");
    if (!statement) {
        return tl::unexpected(std::move(statement.error()));
    }
    statement->bind_blob(place);
    return read_rows(*statement);
}

Result<SqliteStore::OpenedLogin> SqliteStore::open_row(const Row& row,
                                                       const RecordName& name) const {
    auto identity = sealer_.open_identity(row.sealed);
    if (!identity) {
        return tl::unexpected(std::move(identity.error()));
    }
    if (identity->account != name.account || row.sealed.provider != name.provider) {
        return failure(Errc::Protocol,
                       "the login of " + words_of(name) + " is not where it was written");
    }
    if (identity->client_id != name.client_id) {
        return other_client(name, identity->client_id);
    }
    auto token = sealer_.open_secret(row.sealed, *identity);
    if (!token) {
        return tl::unexpected(std::move(token.error()));
    }
    return OpenedLogin{std::move(*identity), std::move(*token), row.logged_in_at, row.used_at};
}

/// For damage only: where a key or the right client is missing, the newest token is intact, and a
/// provider that takes each token once would see a thief in an older one. A login's generations
/// have its time in common; what a login before has left is perhaps another user's.
bool SqliteStore::has_substitute(const std::vector<Row>& rows, const Error& error) noexcept {
    return error.code == Errc::Protocol && rows.size() > 1 &&
           rows[1].logged_in_at == rows[0].logged_in_at;
}

Result<SqliteStore::OpenedLogin> SqliteStore::open_newest(const std::vector<Row>& rows,
                                                          const RecordName& name) const {
    auto newest = open_row(rows.front(), name);
    if (newest || !has_substitute(rows, newest.error())) {
        return newest;
    }
    auto before = open_row(rows[1], name);
    if (!before) {
        return newest;  // its error is the one that matters
    }
    before->previous = true;
    return before;
}

Result<std::optional<StoredLogin>> SqliteStore::find_login(const RecordName& name) {
    const auto place = place_of(name);
    if (!place) {
        return tl::unexpected(place.error());
    }
    const auto rows = login_rows(*place);
    if (!rows) {
        return tl::unexpected(rows.error());
    }
    if (rows->empty()) {
        return std::optional<StoredLogin>();
    }
    auto opened = open_newest(*rows, name);
    if (!opened) {
        return tl::unexpected(std::move(opened.error()));
    }
    StoredLogin login;
    login.refresh_token = std::move(opened->token);
    login.generation = rows->front().sealed.generation;
    login.user = std::move(opened->identity.user);
    login.public_client = opened->identity.public_client;
    login.rotates = opened->identity.rotates;
    login.logged_in_at = opened->logged_in_at;
    login.used_at = opened->used_at;
    login.attempt_at = rows->front().attempt_at;
    login.previous = opened->previous;
    return std::optional(std::move(login));
}

Result<bool> SqliteStore::forget(const RecordName& name) {
    const auto place = place_of(name);
    if (!place) {
        return tl::unexpected(place.error());
    }
    auto transaction = begin_write(Durability::Synced);
    if (!transaction) {
        return tl::unexpected(std::move(transaction.error()));
    }
    const auto deleted = run_at("DELETE FROM record WHERE place = ?", *place);
    if (!deleted) {
        return tl::unexpected(deleted.error());
    }
    if (auto done = transaction->commit(); !done) {
        return tl::unexpected(std::move(done.error()));
    }
    empty_log();
    return *deleted > 0;
}

}  // namespace postbearer::agent
