// SPDX-License-Identifier: Apache-2.0
// SqliteStore: what goes over many logins.
#include <algorithm>
#include <charconv>
#include <utility>

#include "common/text.hh"
#include "token-agent/store/sqlite_rows.hh"
#include "token-agent/store/sqlite_store.hh"

namespace postbearer::agent {
namespace {

constexpr std::size_t kMostRows = 10'000;    // a page is in memory as a whole
constexpr std::chrono::hours kMostAhead{1};  // what clocks may differ by

/// Of a row in the order of use; a cursor is that of the last row, "USED_AT:ID".
struct PlaceInTime {
    std::int64_t used_at = INT64_MIN;
    std::int64_t id = 0;
};

std::optional<PlaceInTime> place_in_time(const std::string& cursor) {
    PlaceInTime place;
    if (cursor.empty()) {
        return place;
    }
    const char* const end = cursor.data() + cursor.size();
    const auto time = std::from_chars(cursor.data(), end, place.used_at);
    if (time.ec != std::errc() || time.ptr == end || *time.ptr != ':') {
        return std::nullopt;
    }
    const auto id = std::from_chars(time.ptr + 1, end, place.id);
    return id.ec == std::errc() && id.ptr == end ? std::optional(place) : std::nullopt;
}

}  // namespace

SqliteStore::Row SqliteStore::read_row(const Statement& statement) {
    Row row;
    row.id = statement.number(0);
    row.sealed.place = statement.bytes(1);
    row.sealed.slot = statement.bytes(2);
    row.sealed.provider = statement.bytes(3);
    row.sealed.generation = static_cast<std::uint64_t>(statement.number(4));
    row.sealed.name = statement.bytes(5);
    row.sealed.secret = statement.bytes(6);
    row.logged_in_at = wall_time(statement.number(7));
    row.used_at = wall_time(statement.number(8));
    if (const auto attempt = statement.optional_number(9)) {
        row.attempt_at = wall_time(*attempt);
    }
    return row;
}

Result<std::vector<SqliteStore::Row>> SqliteStore::read_rows(Statement& statement) {
    std::vector<Row> rows;
    for (;;) {
        const auto more = statement.step();
        if (!more) {
            return tl::unexpected(more.error());
        }
        if (!*more) {
            return rows;
        }
        rows.push_back(read_row(statement));
    }
}

ListedLogin SqliteStore::listed(const Row& row) const {
    ListedLogin login;
    login.provider = row.sealed.provider;
    login.generation = row.sealed.generation;
    login.logged_in_at = row.logged_in_at;
    login.used_at = row.used_at;
    auto identity = sealer_.open_identity(row.sealed);
    login.readable = identity.has_value();
    if (identity) {
        login.account = std::move(identity->account);
        login.client_id = std::move(identity->client_id);
        login.user = std::move(identity->user);
    }
    return login;
}

/// A cursor is the id of the last row of the page before.
Result<std::vector<SqliteStore::Row>> SqliteStore::page_of(const std::string& cursor,
                                                           std::size_t limit) {
    const auto after = parse_decimal(cursor.empty() ? "0" : cursor);
    if (!after || *after > static_cast<std::uint64_t>(INT64_MAX)) {
        return failure(Errc::Protocol, "that is no cursor of a listing");
    }
    auto statement =
        database_.prepare("SELECT " POSTBEARER_ROW_COLUMNS
                          " FROM record WHERE id > ? AND slot = 'refresh' ORDER BY id LIMIT ?");
    if (!statement) {
        return tl::unexpected(std::move(statement.error()));
    }
    statement->bind(*after).bind(static_cast<std::int64_t>(limit));
    return read_rows(*statement);
}

Result<LoginPage> SqliteStore::list(const std::string& cursor, std::size_t limit) {
    limit = std::clamp<std::size_t>(limit, 1, kMostRows);
    const auto rows = page_of(cursor, limit);
    if (!rows) {
        return tl::unexpected(rows.error());
    }
    LoginPage page;
    for (const Row& row : *rows) {
        page.logins.push_back(listed(row));
    }
    if (rows->size() == limit) {
        page.next = std::to_string(rows->back().id);
    }
    return page;
}

/// Two ranges of one index, so that nothing between them is looked at.
Result<LoginPage> SqliteStore::unused_since(WallTime before, const std::string& cursor,
                                            std::size_t limit) {
    limit = std::clamp<std::size_t>(limit, 1, kMostRows);
    const auto after = place_in_time(cursor);
    if (!after) {
        return failure(Errc::Protocol, "that is no cursor of unused logins");
    }
    auto statement = database_.prepare(
        "SELECT " POSTBEARER_ROW_COLUMNS
        " FROM record WHERE slot = 'refresh' AND used_at < ?1 AND (used_at, id) > (?3, ?4)"
        " UNION ALL SELECT " POSTBEARER_ROW_COLUMNS
        " FROM record WHERE slot = 'refresh' AND used_at > ?2 AND (used_at, id) > (?3, ?4)"
        " ORDER BY used_at, id LIMIT ?5");
    if (!statement) {
        return tl::unexpected(std::move(statement.error()));
    }
    // Never below `before`, so that no login is in both.
    const WallTime ahead = std::max(clock_.wall() + kMostAhead, before);
    statement->bind(unix_seconds(before)).bind(unix_seconds(ahead));
    statement->bind(after->used_at).bind(after->id).bind(static_cast<std::int64_t>(limit));
    const auto rows = read_rows(*statement);
    if (!rows) {
        return tl::unexpected(rows.error());
    }
    LoginPage page;
    for (const Row& row : *rows) {
        page.logins.push_back(listed(row));
    }
    if (rows->size() == limit) {
        page.next = std::to_string(unix_seconds(rows->back().used_at)) + ":" +
                    std::to_string(rows->back().id);
    }
    return page;
}

Result<std::uint64_t> SqliteStore::count_logins() {
    // The index on used_at holds exactly these rows.
    const auto count = database_.number("SELECT count(*) FROM record WHERE slot = 'refresh'");
    if (!count) {
        return tl::unexpected(count.error());
    }
    return static_cast<std::uint64_t>(*count);
}

Result<SqliteStore::OpenedLogin> SqliteStore::open_any(const std::vector<Row>& rows) const {
    const auto open = [this](const Row& row) -> Result<OpenedLogin> {
        const auto identity = sealer_.open_identity(row.sealed);
        if (!identity) {
            return tl::unexpected(identity.error());
        }
        return open_row(row, {row.sealed.provider, identity->account, identity->client_id});
    };
    auto newest = open(rows.front());
    if (newest || !has_substitute(rows, newest.error())) {
        return newest;
    }
    auto before = open(rows[1]);
    return before ? std::move(before) : std::move(newest);
}

Result<LoginDump> SqliteStore::read_logins(const std::string& cursor, std::size_t limit) {
    limit = std::clamp<std::size_t>(limit, 1, kMostRows);
    const auto page = page_of(cursor, limit);
    if (!page) {
        return tl::unexpected(page.error());
    }
    LoginDump dump;
    for (const Row& row : *page) {
        const auto rows = login_rows(row.sealed.place);
        if (!rows) {
            return tl::unexpected(rows.error());
        }
        auto opened = open_any(*rows);
        if (!opened) {
            dump.unreadable.push_back(std::move(opened.error().context));
            continue;
        }
        dump.logins.push_back({{row.sealed.provider, std::move(opened->identity.account),
                                std::move(opened->identity.client_id)},
                               std::move(opened->token),
                               std::move(opened->identity.user),
                               opened->identity.public_client,
                               opened->identity.rotates,
                               opened->logged_in_at,
                               opened->used_at});
    }
    if (page->size() == limit) {
        dump.next = std::to_string(page->back().id);
    }
    return dump;
}

}  // namespace postbearer::agent
