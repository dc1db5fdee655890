// SPDX-License-Identifier: Apache-2.0
// SqliteStore: access tokens. They are kept so that a restart during an outage can serve them; one
// that is lost costs a renewal, so writing them costs no fsync.
#include <utility>

#include "token-agent/store/sqlite_rows.hh"
#include "token-agent/store/sqlite_store.hh"

namespace postbearer::agent {

Result<std::optional<StoredAccess>> SqliteStore::find_access(const RecordName& name,
                                                             protocol::Resource resource) {
    const auto place = place_of(name);
    if (!place) {
        return tl::unexpected(place.error());
    }
    auto statement = database_.prepare("SELECT " POSTBEARER_ROW_COLUMNS
                                       " FROM record WHERE place = ? AND slot = ?");
    if (!statement) {
        return tl::unexpected(std::move(statement.error()));
    }
    statement->bind_blob(*place).bind_text(protocol::name_of(resource));
    const auto rows = read_rows(*statement);
    if (!rows) {
        return tl::unexpected(rows.error());
    }
    if (rows->empty()) {
        return std::optional<StoredAccess>();
    }
    const SealedRow& row = rows->front().sealed;
    const auto identity = sealer_.open_identity(row);
    if (!identity) {
        return tl::unexpected(identity.error());
    }
    if (identity->client_id != name.client_id) {
        return std::optional<StoredAccess>();  // of no use to this client
    }
    const auto plain = sealer_.open_secret(row, *identity);
    if (!plain) {
        return tl::unexpected(plain.error());
    }
    auto access = decode_access(plain->reveal());
    if (!access) {
        return tl::unexpected(std::move(access.error()));
    }
    return std::optional(std::move(*access));
}

Result<void> SqliteStore::write_access(const std::string& place, const RecordName& name,
                                       protocol::Resource resource, const StoredAccess& access) {
    SealedRow row{place,
                  std::string(protocol::name_of(resource)),
                  name.provider,
                  static_cast<std::uint64_t>(unix_seconds(access.issued_at)),
                  {},
                  {}};
    const Secret plain = encode_access(access);
    if (auto sealed = sealer_.seal(row, {name.account, name.client_id, {}}, plain.reveal());
        !sealed) {
        return sealed;
    }
    auto statement = database_.prepare(
        "INSERT INTO record (place, slot, provider, generation, key_id, name, secret)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (place, slot) DO UPDATE SET provider = excluded.provider,"
        " generation = excluded.generation, key_id = excluded.key_id, name = excluded.name,"
        " secret = excluded.secret");
    if (!statement) {
        return tl::unexpected(std::move(statement.error()));
    }
    bind_sealed(*statement, row, sealer_.ring().current_id());
    return statement->run();
}

Result<void> SqliteStore::put_access(const RecordName& name, protocol::Resource resource,
                                     const StoredAccess& access) {
    const auto place = place_of(name);
    if (!place) {
        return tl::unexpected(place.error());
    }
    auto transaction = begin_write(Durability::Process);
    if (!transaction) {
        return tl::unexpected(std::move(transaction.error()));
    }
    if (auto done = write_access(*place, name, resource, access); !done) {
        return done;
    }
    return transaction->commit();
}

Result<void> SqliteStore::drop_access(const RecordName& name, protocol::Resource resource) {
    const auto place = place_of(name);
    if (!place) {
        return tl::unexpected(place.error());
    }
    auto transaction = begin_write(Durability::Synced);
    if (!transaction) {
        return tl::unexpected(std::move(transaction.error()));
    }
    auto statement = database_.prepare("DELETE FROM record WHERE place = ? AND slot = ?");
    if (!statement) {
        return tl::unexpected(std::move(statement.error()));
    }
    if (auto done = statement->bind_blob(*place).bind_text(protocol::name_of(resource)).run();
        !done) {
        return done;
    }
    return transaction->commit();
}

}  // namespace postbearer::agent
