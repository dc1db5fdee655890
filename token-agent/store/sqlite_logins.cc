// SPDX-License-Identifier: Apache-2.0
// SqliteStore: what is written of a login.
#include <utility>

#include "token-agent/store/aead.hh"
#include "token-agent/store/sqlite_rows.hh"
#include "token-agent/store/sqlite_store.hh"

namespace postbearer::agent {
namespace {

constexpr int kPagesBeforeCheckpoint = 1000;  // SQLite's own default

/// While it lives a commit does not move the log into the database, which costs fsyncs.
class NoCheckpoint {
public:
    explicit NoCheckpoint(sqlite3* database) : database_(database) {
        (void)sqlite3_wal_autocheckpoint(database_, 0);  // cannot fail on an open connection
    }
    ~NoCheckpoint() { (void)sqlite3_wal_autocheckpoint(database_, kPagesBeforeCheckpoint); }
    NoCheckpoint(const NoCheckpoint&) = delete;
    NoCheckpoint& operator=(const NoCheckpoint&) = delete;
    NoCheckpoint(NoCheckpoint&&) = delete;
    NoCheckpoint& operator=(NoCheckpoint&&) = delete;

private:
    sqlite3* database_;
};

/// From 2^32 to below 2^40: one more for each renewal does not reach the next login's, and JSON's
/// numbers hold it.
Result<std::uint64_t> first_generation() {
    const auto random = random_bytes(5);
    if (!random) {
        return tl::unexpected(random.error());
    }
    std::uint64_t number = 0;
    for (const char byte : *random) {
        number = (number << 8U) | static_cast<unsigned char>(byte);
    }
    constexpr std::uint64_t kLeast = 1ULL << 32U;
    constexpr std::uint64_t kEnd = 1ULL << 40U;
    return kLeast + number % (kEnd - kLeast);
}

tl::unexpected<Error> not_the_newest(const RecordName& name) {
    return failure(Errc::Denied, "the login of " + words_of(name) +
                                     " has been replaced or removed meanwhile; nothing was stored");
}

}  // namespace

Result<void> SqliteStore::write_generation(const std::string& place, const std::string& provider,
                                           const NewGeneration& login) {
    SealedRow row{place, std::string(kNewestSlot), provider, login.generation, {}, {}};
    if (auto sealed = sealer_.seal(row, login.identity, login.token); !sealed) {
        return sealed;
    }
    if (login.before != Before::Damaged) {
        if (auto done = run_at("DELETE FROM record WHERE place = ? AND slot = 'previous'", place);
            !done) {
            return tl::unexpected(std::move(done.error()));
        }
    }
    if (login.before == Before::Kept) {
        // A copy, so that the newest one's id stays: listings go by it.
        if (auto done =
                run_at("INSERT INTO record (place, slot, provider, generation, logged_in_at,"
                       " used_at, key_id, name, secret) SELECT place, 'previous', provider,"
                       " generation, logged_in_at, used_at, key_id, name, secret"
                       " FROM record WHERE place = ? AND slot = 'refresh'",
                       place);
            !done) {
            return tl::unexpected(std::move(done.error()));
        }
    }
    auto statement = database_.prepare(
        "INSERT INTO record (place, slot, provider, generation, key_id, name, secret,"
        " logged_in_at, used_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (place, slot) DO UPDATE SET provider = excluded.provider,"
        " generation = excluded.generation, key_id = excluded.key_id, name = excluded.name,"
        " secret = excluded.secret, logged_in_at = excluded.logged_in_at,"
        " used_at = excluded.used_at, attempt_at = NULL");
    if (!statement) {
        return tl::unexpected(std::move(statement.error()));
    }
    bind_sealed(*statement, row, sealer_.ring().current_id());
    return statement->bind(unix_seconds(login.logged_in_at))
        .bind(unix_seconds(login.used_at))
        .run();
}

/// The same generation with other circumstances.
Result<void> SqliteStore::write_anew(const std::string& place, const std::string& provider,
                                     std::uint64_t generation, const OpenedLogin& login) {
    SealedRow row{place, std::string(kNewestSlot), provider, generation, {}, {}};
    if (auto sealed = sealer_.seal(row, login.identity, login.token.reveal()); !sealed) {
        return sealed;
    }
    auto statement = database_.prepare(
        "INSERT INTO record (place, slot, provider, generation, key_id, name, secret)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (place, slot) DO UPDATE SET key_id = excluded.key_id,"
        " name = excluded.name, secret = excluded.secret");
    if (!statement) {
        return tl::unexpected(std::move(statement.error()));
    }
    bind_sealed(*statement, row, sealer_.ring().current_id());
    return statement->run();
}

Result<std::uint64_t> SqliteStore::put_login(const RecordName& name, const NewLogin& login) {
    const auto place = place_of(name);
    if (!place) {
        return tl::unexpected(place.error());
    }
    auto transaction = begin_write(Durability::Synced);
    if (!transaction) {
        return tl::unexpected(std::move(transaction.error()));
    }
    const auto rows = login_rows(*place);
    if (!rows) {
        return tl::unexpected(rows.error());
    }
    auto generation = rows->empty() ? first_generation()
                                    : Result<std::uint64_t>(rows->front().sealed.generation + 1);
    if (!generation) {
        return generation;
    }
    NewGeneration made{
        *generation,
        {name.account, name.client_id, login.user, login.public_client, login.rotates},
        login.refresh_token.reveal(),
        login.logged_in_at.value_or(login.now),
        login.used_at.value_or(login.now),
        Before::Gone};
    if (!rows->empty()) {
        const auto identity = sealer_.open_identity(rows->front().sealed);
        if (!identity && identity.error().code == Errc::Config) {
            made.before = Before::Kept;  // nobody knows what it was
        }
    }
    if (auto done = write_generation(*place, name.provider, made); !done) {
        return tl::unexpected(std::move(done.error()));
    }
    // Whatever was got with the login before is another consent's, perhaps another user's.
    if (auto done = run_at("DELETE FROM record WHERE place = ? AND slot NOT IN"
                           " ('refresh', 'previous')",
                           *place);
        !done) {
        return tl::unexpected(std::move(done.error()));
    }
    if (auto done = transaction->commit(); !done) {
        return tl::unexpected(std::move(done.error()));
    }
    return made.generation;
}

// In WAL mode with synchronous=NORMAL a commit is a write(2) into the log and nothing else: the
// kernel has it, so it survives our end, and the next synced commit carries it to the disk. An
// fsync happens only in the first commit after the log was emptied (its header must not come after
// its frames), once in a thousand pages. store_sync_test counts them.
Result<void> SqliteStore::begin_attempt(const RecordName& name, std::uint64_t generation,
                                        WallTime now) {
    const auto place = place_of(name);
    if (!place) {
        return tl::unexpected(place.error());
    }
    auto transaction = begin_write(Durability::Process);
    if (!transaction) {
        return tl::unexpected(std::move(transaction.error()));
    }
    const NoCheckpoint guard(database_.raw());
    auto statement = database_.prepare(
        "UPDATE record SET attempt_at = COALESCE(attempt_at, ?) WHERE place = ?"
        " AND slot = 'refresh' AND generation = ?");
    if (!statement) {
        return tl::unexpected(std::move(statement.error()));
    }
    if (auto done = statement->bind(unix_seconds(now)).bind_blob(*place).bind(generation).run();
        !done) {
        return done;
    }
    if (database_.changes() == 0) {
        return not_the_newest(name);
    }
    return transaction->commit();
}

Result<void> SqliteStore::end_attempt(const RecordName& name) {
    const auto place = place_of(name);
    if (!place) {
        return tl::unexpected(place.error());
    }
    auto transaction = begin_write(Durability::Process);
    if (!transaction) {
        return tl::unexpected(std::move(transaction.error()));
    }
    if (auto done = run_at("UPDATE record SET attempt_at = NULL WHERE place = ?"
                           " AND slot = 'refresh' AND attempt_at IS NOT NULL",
                           *place);
        !done) {
        return tl::unexpected(std::move(done.error()));
    }
    return transaction->commit();
}

Result<std::uint64_t> SqliteStore::put_renewal(const RecordName& name, const Renewal& renewal) {
    const auto place = place_of(name);
    if (!place) {
        return tl::unexpected(place.error());
    }
    auto transaction = begin_write(Durability::Synced);
    if (!transaction) {
        return tl::unexpected(std::move(transaction.error()));
    }
    const auto rows = login_rows(*place);
    if (!rows) {
        return tl::unexpected(rows.error());
    }
    if (rows->empty() || rows->front().sealed.generation != renewal.generation) {
        return not_the_newest(name);
    }
    auto before = open_newest(*rows, name);
    if (!before && before.error().code == Errc::Denied) {
        return tl::unexpected(std::move(before.error()));
    }
    auto done = renewal.refresh_token ? write_next(*place, name, *rows, before, renewal)
                                      : write_used(*place, name, before, renewal);
    if (done && renewal.access) {
        done = write_access(*place, name, renewal.resource, *renewal.access);
    }
    if (done) {
        done = transaction->commit();
    }
    if (!done) {
        return tl::unexpected(std::move(done.error()));
    }
    return renewal.generation + (renewal.refresh_token ? 1 : 0);
}

/// With the new refresh token; `before` is what opened of the generations that are there.
Result<void> SqliteStore::write_next(const std::string& place, const RecordName& name,
                                     const std::vector<Row>& rows, Result<OpenedLogin>& before,
                                     const Renewal& renewal) {
    NewGeneration made{renewal.generation + 1,
                       {},
                       renewal.refresh_token->reveal(),
                       rows.front().logged_in_at,
                       renewal.now};
    if (before ? before->previous : before.error().code == Errc::Protocol && rows.size() > 1) {
        made.before = Before::Damaged;
    }
    if (before) {
        made.identity = std::move(before->identity);
    }
    // A token whose predecessor was damaged meanwhile is stored with what is known.
    made.identity.account = name.account;
    made.identity.client_id = name.client_id;
    made.identity.rotates = true;
    made.identity.public_client = renewal.public_client.value_or(made.identity.public_client);
    return write_generation(place, name.provider, made);
}

/// Without one: the generation that is there goes on.
Result<void> SqliteStore::write_used(const std::string& place, const RecordName& name,
                                     Result<OpenedLogin>& before, const Renewal& renewal) {
    if (before && !before->previous) {
        RecordIdentity& identity = before->identity;
        const bool public_client = renewal.public_client.value_or(identity.public_client);
        if (identity.rotates || identity.public_client != public_client) {
            identity.rotates = false;
            identity.public_client = public_client;
            if (auto done = write_anew(place, name.provider, renewal.generation, *before); !done) {
                return done;
            }
        }
    }
    if (auto done = run_at("UPDATE record SET used_at = ?2, attempt_at = NULL"
                           " WHERE place = ?1 AND slot = 'refresh'",
                           place, renewal.now);
        !done) {
        return tl::unexpected(std::move(done.error()));
    }
    return {};
}

}  // namespace postbearer::agent
