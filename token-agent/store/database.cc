// SPDX-License-Identifier: Apache-2.0
#include "token-agent/store/database.hh"

#include <errno.h>

#include <utility>

#include "common/config/text_file.hh"

namespace postbearer::agent {
namespace {

sqlite3_destructor_type copied() noexcept {
    // SQLITE_TRANSIENT, which is spelt as a C cast.
    // NOLINTNEXTLINE(performance-no-int-to-ptr,cppcoreguidelines-pro-type-reinterpret-cast): theirs
    return reinterpret_cast<sqlite3_destructor_type>(std::intptr_t{-1});
}

}  // namespace

Error error_of(int code, int errno_value, const std::string& path, const char* message) {
    const std::string store = "token store " + path + ": ";
    if (errno_value == ENOSPC || errno_value == EDQUOT || errno_value == EFBIG) {
        code = SQLITE_FULL;
    } else if (errno_value == EROFS) {
        code = SQLITE_READONLY;
    }
    const std::string cause =
        errno_value == 0 ? std::string(message) : config::system_error_text(errno_value);
    switch (code & 0xFF) {
        case SQLITE_FULL:
            return {Errc::Unavailable, store + "the disk is full"};
        case SQLITE_READONLY:
            return {Errc::Unavailable, store + "the file or its directory is read-only"};
        case SQLITE_IOERR:
            return {Errc::Unavailable, store + "input/output error: " + cause};
        case SQLITE_CANTOPEN:
            return {Errc::Unavailable, store + "cannot be opened: " + cause};
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return {Errc::Unavailable, store + "another process has it locked"};
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return {Errc::Protocol,
                    store + "the database is damaged (" + message +
                        "); a restart of postbearer-agent sets it aside and begins a new one"};
        case SQLITE_NOMEM:
            return {Errc::Unavailable, store + "out of memory"};
        default:
            return {Errc::Internal, store + message};
    }
}

Statement& Statement::bind(std::int64_t value) {
    bind_code_ |= sqlite3_bind_int64(statement_.get(), ++bound_, value);
    return *this;
}

Statement& Statement::bind_text(std::string_view value) {
    bind_code_ |= sqlite3_bind_text64(statement_.get(), ++bound_, value.data(), value.size(),
                                      copied(), SQLITE_UTF8);
    return *this;
}

Statement& Statement::bind_blob(std::string_view value) {
    bind_code_ |=
        sqlite3_bind_blob64(statement_.get(), ++bound_, value.data(), value.size(), copied());
    return *this;
}

Statement& Statement::bind_null() {
    bind_code_ |= sqlite3_bind_null(statement_.get(), ++bound_);
    return *this;
}

Result<bool> Statement::step() {
    if (bind_code_ != SQLITE_OK) {
        return failure(Errc::Internal, "the token store's statement and its values do not match");
    }
    errno = 0;
    switch (sqlite3_step(statement_.get())) {
        case SQLITE_ROW:
            return true;
        case SQLITE_DONE:
            return false;
        default:
            return tl::unexpected(database_->error());
    }
}

Result<void> Statement::run() {
    const auto row = step();
    if (!row) {
        return tl::unexpected(row.error());
    }
    return {};
}

void Statement::reset() {
    (void)sqlite3_reset(statement_.get());  // repeats what step() has returned
    (void)sqlite3_clear_bindings(statement_.get());
    bound_ = 0;
    bind_code_ = SQLITE_OK;
}

std::int64_t Statement::number(int column) const {
    return sqlite3_column_int64(statement_.get(), column);
}

std::optional<std::int64_t> Statement::optional_number(int column) const {
    if (sqlite3_column_type(statement_.get(), column) == SQLITE_NULL) {
        return std::nullopt;
    }
    return number(column);
}

std::string Statement::bytes(int column) const {
    const void* data = sqlite3_column_blob(statement_.get(), column);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column));
    return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), size);
}

tl::expected<Database, int> Database::open(const std::string& name, const std::string& path,
                                           int flags) {
    Database database;
    database.path_ = path;
    sqlite3* handle = nullptr;
    const int code = sqlite3_open_v2(name.c_str(), &handle, flags, nullptr);
    database.handle_.reset(handle);
    if (code != SQLITE_OK) {
        return tl::unexpected(code);
    }
    (void)sqlite3_extended_result_codes(handle, 1);  // cannot fail on an open handle
    return database;
}

Error Database::error() {
    int code = sqlite3_extended_errcode(raw());
    int cause = 0;
    if ((code & 0xFF) == SQLITE_IOERR || (code & 0xFF) == SQLITE_CANTOPEN) {
        cause = sqlite3_system_errno(raw());
        cause = cause != 0 ? cause : errno;  // a COMMIT does not keep it
    } else if ((code & 0xFF) == SQLITE_CORRUPT && (errno == EIO || errno == ENXIO)) {
        code = SQLITE_IOERR;  // SQLite calls it damage, but the file is not what is at fault
        cause = errno;
    }
    last_code_ = code & 0xFF;
    return error_of(code, cause, path_, sqlite3_errmsg(raw()));
}

void Database::keep_log_on_close(bool keep) noexcept {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): SQLite's interface
    (void)sqlite3_db_config(raw(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep ? 1 : 0, nullptr);
}

Result<void> Database::execute(const char* sql) {
    errno = 0;
    if (sqlite3_exec(raw(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
        return tl::unexpected(error());
    }
    return {};
}

Result<Statement> Database::prepare(const char* sql) {
    errno = 0;
    sqlite3_stmt* statement = nullptr;
    const int code = sqlite3_prepare_v2(raw(), sql, -1, &statement, nullptr);
    Statement out(statement, *this);
    if (code != SQLITE_OK) {
        return tl::unexpected(error());
    }
    return out;
}

Result<std::int64_t> Database::number(const char* sql) {
    auto statement = prepare(sql);
    if (!statement) {
        return tl::unexpected(std::move(statement.error()));
    }
    const auto row = statement->step();
    if (!row) {
        return tl::unexpected(row.error());
    }
    return *row ? statement->number(0) : 0;
}

Result<std::string> Database::text(const char* sql) {
    auto statement = prepare(sql);
    if (!statement) {
        return tl::unexpected(std::move(statement.error()));
    }
    const auto row = statement->step();
    if (!row) {
        return tl::unexpected(row.error());
    }
    return *row ? statement->bytes(0) : std::string();
}

Result<Transaction> Transaction::begin(Database& database) {
    if (auto begun = database.execute("BEGIN IMMEDIATE"); !begun) {
        return tl::unexpected(std::move(begun.error()));
    }
    return Transaction(database);
}

Result<void> Transaction::commit() { return database_->execute("COMMIT"); }

Transaction::Transaction(Transaction&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {}

Transaction::~Transaction() {
    // SQLite has rolled back by itself after some errors, a full disk among them.
    if (database_ != nullptr && sqlite3_get_autocommit(database_->raw()) == 0) {
        (void)database_->execute("ROLLBACK");
    }
}

}  // namespace postbearer::agent
