// SPDX-License-Identifier: Apache-2.0
#include "token-agent/store/store_opening.hh"

#include <charconv>
#include <utility>

#include "token-agent/store/aead.hh"
#include "token-agent/store/records.hh"
#include "token-agent/store/schema.hh"

namespace postbearer::agent {
namespace {

// locking_mode comes first: set before the first access it keeps WAL's index in our memory, so
// there is no -shm file, and a second agent finds the file locked for as long as we run.
// secure_delete: a token that was replaced leaves no copy in a free page.
constexpr const char* kSettings =
    "PRAGMA locking_mode = EXCLUSIVE;"
    "PRAGMA secure_delete = ON;"
    "PRAGMA temp_store = MEMORY;"
    "PRAGMA trusted_schema = OFF;"
    "PRAGMA cell_size_check = ON;";
// Limits what a burst of writes leaves behind as the size of the -wal file.
constexpr const char* kWriting =
    "PRAGMA synchronous = FULL;"
    "PRAGMA journal_size_limit = 4194304;";

tl::unexpected<Error> refused(Errc code, const std::string& path, const std::string& what) {
    return failure(code, "token store " + path + ": " + what);
}

/// A file: URI's path, RFC 3986.
std::string uri_of(const std::string& path, const char* parameters) {
    std::string out = "file:";
    for (const char c : path) {
        if (c == '?' || c == '#' || c == '%') {
            out.append("%").append(hex(std::string_view(&c, 1)));
        } else {
            out += c;
        }
    }
    return out + "?" + parameters;
}

/// Without writing anything, no lock and no file. A log that was left has to be read as well, for
/// which SQLite wants a lock that it cannot have here; where there is no log it would have to make
/// one, unless it is told that nothing can change.
Result<Database> connect_read_only(const std::string& path) {
    const bool has_log = size_of(path + "-wal") > 0;
    auto database =
        Database::open(uri_of(path, has_log ? "mode=ro&vfs=unix-none" : "immutable=1"), path,
                       SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX);
    if (!database) {
        return tl::unexpected(error_of(database.error(), 0, path, "no read-only access either"));
    }
    if (auto set = database->execute(kSettings); !set) {
        return tl::unexpected(std::move(set.error()));
    }
    if (const auto read = database->number("PRAGMA schema_version"); !read) {
        return tl::unexpected(read.error());
    }
    return std::move(*database);
}

/// 0: new. Config: not a database that we may touch.
Result<std::int64_t> schema_version(Database& database, const std::string& path) {
    const auto application = database.number("PRAGMA application_id");
    const auto version = database.number("PRAGMA user_version");
    const auto tables = database.number("SELECT count(*) FROM sqlite_schema");
    if (!application || !version || !tables) {
        return tl::unexpected(!application ? application.error()
                              : !version   ? version.error()
                                           : tables.error());
    }
    if (*application == 0 && *version == 0 && *tables == 0) {
        return 0;
    }
    if (*application != kApplicationId) {
        return refused(Errc::Config, path,
                       "is an SQLite database of another program: name another file in [agent] "
                       "store");
    }
    if (*version > kSchemaVersion) {
        return refused(Errc::Config, path,
                       "has schema version " + std::to_string(*version) +
                           " and this postbearer-agent knows version " +
                           std::to_string(kSchemaVersion) +
                           " and older: install the newer release again, or go back to the copy "
                           "that was made beside it before the migration (" +
                           path + ".v" + std::to_string(kSchemaVersion) + "-*.bak)");
    }
    return *version;
}

/// quick_check gives a failed read as a finding among others, not as an error: "Page 105: unable to
/// get the page. error code=8458", and for what hangs on a page "failed to get page 105".
bool could_not_read(std::string_view verdict) {
    if (verdict.find("failed to get page") != std::string_view::npos) {
        return true;
    }
    constexpr std::string_view kMark = "error code=";
    for (auto at = verdict.find(kMark); at != std::string_view::npos; at = verdict.find(kMark)) {
        verdict.remove_prefix(at + kMark.size());
        int code = 0;
        (void)std::from_chars(verdict.data(), verdict.data() + verdict.size(), code);
        // SQLITE_IOERR_CORRUPTFS is an error of the disk by its primary code, whatever its name.
        if ((code & 0xFF) != SQLITE_CORRUPT && (code & 0xFF) != SQLITE_NOTADB) {
            return true;
        }
    }
    return false;
}

/// Protocol: what SQLite finds wrong. Unavailable: a page could not be read.
Result<void> check_health(Database& database, const std::string& path) {
    const auto verdict = database.text("PRAGMA quick_check(1)");
    if (!verdict) {
        return tl::unexpected(verdict.error());
    }
    if (could_not_read(*verdict)) {
        return refused(Errc::Unavailable, path, "cannot be read now: " + *verdict);
    }
    if (*verdict != "ok") {
        return refused(Errc::Protocol, path, "the database is damaged: " + *verdict);
    }
    const auto tables =
        database.number("SELECT count(*) FROM sqlite_schema WHERE name IN ('meta', 'record')");
    if (!tables) {
        return tl::unexpected(tables.error());
    }
    if (*tables != 2) {
        return refused(Errc::Protocol, path, "the database is damaged: a table is missing");
    }
    return {};
}

Result<Secret> new_index_key(Database& database, const KeyRing& ring) {
    auto random = random_bytes(kMasterKeyBytes);
    if (!random) {
        return tl::unexpected(std::move(random.error()));
    }
    Secret key(std::move(*random));
    const auto sealed = ring.seal(kIndexKeyPlace, key.reveal());
    if (!sealed) {
        return tl::unexpected(sealed.error());
    }
    auto statement = database.prepare("INSERT INTO meta (name, value) VALUES (?, ?)");
    if (!statement) {
        return tl::unexpected(std::move(statement.error()));
    }
    if (auto done = statement->bind_text(kIndexKeyName).bind_blob(*sealed).run(); !done) {
        return tl::unexpected(std::move(done.error()));
    }
    return key;
}

tl::unexpected<Error> wrong_key(const std::string& path, const KeyRing& ring,
                                std::string_view key_id) {
    return refused(
        Errc::Config, path,
        "is sealed with master key " + hex(key_id) + ", and the keys given are " + ring.describe() +
            ": give the key with that id back, as master_key or among the older ones. If it is "
            "lost, so are the tokens: move the file away and log in again with every delegated "
            "account (postbearer-agent(8), \"If the master key is lost\")");
}

Result<Secret> index_key(Database& database, const std::string& path, const KeyRing& ring,
                         bool read_only) {
    const auto sealed = database.text("SELECT value FROM meta WHERE name = 'index-key'");
    if (!sealed) {
        return tl::unexpected(sealed.error());
    }
    if (sealed->empty()) {
        const auto records = database.number("SELECT count(*) FROM record");
        if (!records) {
            return tl::unexpected(records.error());
        }
        // It follows the schema in a transaction of its own, so a crash may have come between.
        if (*records == 0 && !read_only) {
            return new_index_key(database, ring);
        }
        return refused(Errc::Protocol, path, "the database is damaged: its index key is missing");
    }
    if (const auto key_id = key_id_of(*sealed); key_id && !ring.has(*key_id)) {
        return wrong_key(path, ring, *key_id);
    }
    auto key = ring.open(kIndexKeyPlace, *sealed);
    if (!key) {
        const bool damaged = key.error().code == Errc::Protocol;
        return refused(key.error().code, path,
                       (damaged ? "its index key " : "its index key cannot be opened: ") +
                           key.error().context);
    }
    return key;
}

Result<void> bring_up_to_date(Database& database, const std::string& path, WallTime now,
                              StoreReport& report) {
    const auto version = schema_version(database, path);
    if (!version) {
        return tl::unexpected(version.error());
    }
    if (*version > 0) {
        if (auto healthy = check_health(database, path); !healthy) {
            return healthy;
        }
    }
    if (*version == kSchemaVersion) {
        return {};
    }
    if (!report.read_only.empty()) {
        return failure(Errc::Unavailable,
                       report.read_only + "; it must be writable once, for the new schema");
    }
    if (*version > 0) {
        auto backup = back_up(
            database, path + ".v" + std::to_string(*version) + "-" + compact_time(now) + ".bak",
            path + ".bak.tmp");
        if (!backup) {
            return failure(backup.error().code,
                           backup.error().context +
                               " (the copy that is made before the schema changes from version " +
                               std::to_string(*version) + ")");
        }
        report.backup = std::move(*backup);
        report.migrated_from = *version;
    }
    report.created = *version == 0;
    return migrate(database, *version);
}

/// The index key of a database that is up to date.
Result<Secret> read_contents(Database& database, const std::string& path, const KeyRing& ring,
                             WallTime now, StoreReport& report) {
    if (auto done = bring_up_to_date(database, path, now, report); !done) {
        return tl::unexpected(std::move(done.error()));
    }
    return index_key(database, path, ring, !report.read_only.empty());
}

/// Protocol: damaged, to be set aside.
Result<OpenStore> open_file(const std::string& path, const KeyRing& ring,
                            std::chrono::milliseconds busy_timeout, WallTime now) {
    if (auto prepared = prepare_store_file(path); !prepared) {
        return tl::unexpected(std::move(prepared.error()));
    }
    // SQLite would take it for new and throw the log away.
    if (size_of(path) == 0 && size_of(path + "-wal") > 0) {
        return refused(Errc::Protocol, path, "the database is damaged: the file is empty");
    }
    StoreReport report;
    auto database = connect_writable(path, busy_timeout);
    if (!database && database.error().code == Errc::Unavailable) {
        report.read_only = database.error().context;
        database = connect_read_only(path);
    }
    if (!database) {
        return tl::unexpected(std::move(database.error()));
    }
    // What is set aside stays as it was found, its log too.
    database->keep_log_on_close(true);
    auto key = read_contents(*database, path, ring, now, report);
    if (!key) {
        database->keep_log_on_close(key.error().code == Errc::Protocol);
        return tl::unexpected(std::move(key.error()));
    }
    if (report.created) {
        if (auto synced = sync_directory_of(path); !synced) {
            return tl::unexpected(std::move(synced.error()));
        }
    }
    database->keep_log_on_close(!report.read_only.empty());
    return OpenStore{std::move(*database), identity_of(path), std::move(*key), std::move(report)};
}

}  // namespace

Result<Database> connect_writable(const std::string& path, std::chrono::milliseconds busy_timeout) {
    auto database = Database::open(path, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX);
    if (!database) {
        return tl::unexpected(error_of(database.error(), 0, path, "permission denied"));
    }
    database->keep_log_on_close(true);
    (void)sqlite3_busy_timeout(database->raw(), static_cast<int>(busy_timeout.count()));
    // SQLite opens a file for reading only where it may not write, and says so much later.
    if (sqlite3_db_readonly(database->raw(), "main") == 1) {
        return tl::unexpected(error_of(SQLITE_READONLY, 0, path, ""));
    }
    Result<void> done = database->execute(kSettings);
    if (done) {
        const auto mode = database->text("PRAGMA journal_mode = WAL");
        if (!mode) {
            done = tl::unexpected(mode.error());
        } else if (*mode != "wal") {
            return refused(Errc::Unavailable, path, "cannot have a write-ahead log here");
        }
    }
    if (done) {
        done = database->execute(kWriting);
    }
    if (done) {
        done = database->execute("BEGIN EXCLUSIVE; COMMIT");
    }
    if (!done) {
        if ((database->last_code() & 0xFF) == SQLITE_BUSY) {
            return refused(Errc::Config, path,
                           "is in use by another process: stop the other postbearer-agent (or the "
                           "program that has the file open), or give this one a store of its own");
        }
        return tl::unexpected(std::move(done.error()));
    }
    database->keep_log_on_close(false);
    return std::move(*database);
}

Result<OpenStore> open_store(const std::string& path, const KeyRing& ring,
                             std::chrono::milliseconds busy_timeout, WallTime now) {
    if (auto fit = check_store_directory(path); !fit) {
        return tl::unexpected(std::move(fit.error()));
    }
    // Setting aside costs everybody a login, so damage has to be found twice, the second time in
    // what is on the disk then and not in what was read before.
    auto store = open_file(path, ring, busy_timeout, now);
    if (!store && store.error().code == Errc::Protocol) {
        store = open_file(path, ring, busy_timeout, now);
    }
    if (store || store.error().code != Errc::Protocol) {
        return store;
    }
    const std::string damage = std::move(store.error().context);
    auto aside = set_aside(path, now);
    if (!aside) {
        aside.error().context = damage + "; " + aside.error().context;
        return tl::unexpected(std::move(aside.error()));
    }
    store = open_file(path, ring, busy_timeout, now);
    if (store) {
        store->report.set_aside = std::move(*aside);
        store->report.damage = damage;
    }
    return store;
}

}  // namespace postbearer::agent
