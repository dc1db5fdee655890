// SPDX-License-Identifier: Apache-2.0
#pragma once

// SQLite's C interface as owned handles and Results. One connection, used by one thread at a time.

#include <sqlite3.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "common/owned.hh"
#include "common/result.hh"

namespace postbearer::agent {

/// A prepared statement: bind() from left to right, step() until false. Bound bytes are copied.
class Statement {
public:
    Statement(sqlite3_stmt* statement, class Database& database)
        : statement_(statement), database_(&database) {}

    Statement& bind(std::int64_t value);
    Statement& bind(std::uint64_t value) { return bind(static_cast<std::int64_t>(value)); }
    Statement& bind_text(std::string_view value);
    Statement& bind_blob(std::string_view value);
    Statement& bind_null();

    /// True: there is a row.
    [[nodiscard]] Result<bool> step();
    /// Of a statement without rows.
    [[nodiscard]] Result<void> run();
    /// Ready to be bound and stepped again.
    void reset();

    [[nodiscard]] std::int64_t number(int column) const;
    [[nodiscard]] std::optional<std::int64_t> optional_number(int column) const;
    /// Text or blob.
    [[nodiscard]] std::string bytes(int column) const;

private:
    Owned<sqlite3_stmt, sqlite3_finalize> statement_;
    Database* database_;
    int bound_ = 0;
    int bind_code_ = SQLITE_OK;
};

class Database {
public:
    /// `name` is the path, or a file: URI if `flags` hold SQLITE_OPEN_URI; `path` is for messages.
    /// The code is SQLite's own, because opening decides on it: see error_of().
    [[nodiscard]] static tl::expected<Database, int> open(const std::string& name,
                                                          const std::string& path, int flags);

    /// For statements of ours, without values in them.
    [[nodiscard]] Result<void> execute(const char* sql);
    [[nodiscard]] Result<Statement> prepare(const char* sql);
    /// The first column of the first row as a number or a text; empty, 0: no row.
    [[nodiscard]] Result<std::int64_t> number(const char* sql);
    [[nodiscard]] Result<std::string> text(const char* sql);

    /// SQLite's primary result code of the call that failed last.
    [[nodiscard]] int last_code() const noexcept { return last_code_; }
    /// Of that call. errno must still be as it left it.
    [[nodiscard]] Error error();
    /// Whether closing moves the log into the database and removes it, as it does by default.
    void keep_log_on_close(bool keep) noexcept;
    [[nodiscard]] std::int64_t changes() const noexcept { return sqlite3_changes64(raw()); }
    [[nodiscard]] sqlite3* raw() const noexcept { return handle_.get(); }

private:
    Owned<sqlite3, sqlite3_close_v2> handle_;
    std::string path_;
    int last_code_ = SQLITE_OK;
};

/// What SQLite's result code means to us (token_store.hh). `errno_value` 0: not known.
[[nodiscard]] Error error_of(int code, int errno_value, const std::string& path,
                             const char* message);

/// BEGIN IMMEDIATE; rolled back unless commit() succeeded.
class Transaction {
public:
    [[nodiscard]] static Result<Transaction> begin(Database& database);
    [[nodiscard]] Result<void> commit();

    Transaction(Transaction&& other) noexcept;
    Transaction& operator=(Transaction&&) = delete;
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;
    ~Transaction();

private:
    explicit Transaction(Database& database) : database_(&database) {}
    Database* database_;
};

}  // namespace postbearer::agent
