// SPDX-License-Identifier: Apache-2.0
#pragma once

// A store in a directory of its own, with keys to choose from, and SQLite's own hand for what the
// store would not do.

#include <sqlite3.h>
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/failure.hh"
#include "tests/support/manual_time.hh"
#include "tests/support/temp_dir.hh"
#include "token-agent/store/sqlite_store.hh"

namespace postbearer::test {

inline Secret master_key(char fill) { return Secret(std::string(agent::kMasterKeyBytes, fill)); }

/// `keys`: one letter for each key, the current one first.
inline agent::KeyRing ring_of(const std::string& keys = "A") {
    std::vector<Secret> previous;
    for (const char key : keys.substr(1)) {
        previous.push_back(master_key(key));
    }
    auto ring = agent::KeyRing::make(master_key(keys.front()), std::move(previous));
    if (!ring) {
        fail(ring.error().context);
    }
    return std::move(*ring);
}

/// The value, or the sentence as the test's failure.
template <typename T>
T must(Result<T> result) {
    if (!result) {
        fail(result.error().context);
    }
    return std::move(*result);
}
inline void must(const Result<void>& result) {
    if (!result) {
        fail(result.error().context);
    }
}

/// What a refusal says; the test fails if there is none.
template <typename T>
Error refusal(const Result<T>& result) {
    if (result) {
        fail("it was not refused");
    }
    return result.error();
}

inline bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

/// SQLite itself, beside the store: it must be closed.
class RawDatabase {
public:
    explicit RawDatabase(const Path& path) {
        if (sqlite3_open_v2(path.c_str(), &handle_, SQLITE_OPEN_READWRITE, nullptr) != SQLITE_OK) {
            fail(sqlite3_errmsg(handle_));
        }
    }
    ~RawDatabase() { sqlite3_close_v2(handle_); }
    RawDatabase(const RawDatabase&) = delete;
    RawDatabase& operator=(const RawDatabase&) = delete;
    RawDatabase(RawDatabase&&) = delete;
    RawDatabase& operator=(RawDatabase&&) = delete;

    /// The number of rows that were changed.
    int run(const std::string& sql) {
        if (sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
            fail(sql + ": " + sqlite3_errmsg(handle_));
        }
        return sqlite3_changes(handle_);
    }
    /// The first column of the first row, binary.
    std::string value(const std::string& sql) {
        sqlite3_stmt* statement = nullptr;
        std::string out;
        if (sqlite3_prepare_v2(handle_, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) {
            fail(sql + ": " + sqlite3_errmsg(handle_));
        }
        if (sqlite3_step(statement) == SQLITE_ROW) {
            const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, 0));
            out.assign(static_cast<const char*>(sqlite3_column_blob(statement, 0)), size);
        }
        sqlite3_finalize(statement);
        return out;
    }

private:
    sqlite3* handle_ = nullptr;
};

struct StoreRoom {
    StoreRoom() { std::filesystem::permissions(directory.path(), std::filesystem::perms(0700)); }

    [[nodiscard]] Path path() const { return directory / "tokens.db"; }
    [[nodiscard]] Result<std::unique_ptr<agent::SqliteStore>> try_open(
        const std::string& keys = "A") {
        return agent::SqliteStore::open(
            {path(), ring_of(keys), time, std::chrono::milliseconds(20)});
    }
    [[nodiscard]] std::unique_ptr<agent::SqliteStore> open(const std::string& keys = "A") {
        return must(try_open(keys));
    }
    /// Every file that belongs to the store, as bytes.
    [[nodiscard]] std::string all_files() const {
        std::string out;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(directory.path())) {
            out += read_file(entry.path());
        }
        return out;
    }
    [[nodiscard]] std::vector<std::string> names() const {
        std::vector<std::string> out;
        for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
            out.push_back(entry.path().filename());
        }
        std::sort(out.begin(), out.end());
        return out;
    }
    [[nodiscard]] static unsigned mode_of(const Path& file) {
        struct stat status {};
        return ::lstat(file.c_str(), &status) == 0 ? status.st_mode & 07777U : 0;
    }

    ManualTime time;
    TempDir directory{"pb-store"};
};

inline agent::RecordName alice() { return {"contoso", "alice@contoso.test", "client-1"}; }
inline agent::RecordName bob() { return {"contoso", "bob@contoso.test", "client-1"}; }

inline agent::NewLogin new_login(const std::string& token, WallTime now) {
    return {Secret(token), "Alice.Liddell@contoso.test", true, now};
}

inline agent::Renewal renewal(std::uint64_t generation, const std::string& token, WallTime now) {
    agent::Renewal out;
    out.generation = generation;
    if (!token.empty()) {
        out.refresh_token = Secret(token);
    }
    out.now = now;
    return out;
}

inline agent::StoredAccess access_token(const std::string& token, WallTime now) {
    agent::StoredAccess out;
    out.token = Secret(token);
    out.issued_at = now;
    out.life = std::chrono::hours(1);
    out.refresh_in = std::chrono::minutes(30);
    return out;
}

/// As find_login() gives it; 0: there is no login.
inline std::uint64_t generation_of(agent::TokenStore& store, const agent::RecordName& name) {
    const auto login = must(store.find_login(name));
    return login ? login->generation : 0;
}

/// The refresh token that find_login() gives; empty: there is no login.
inline std::string token_of(agent::TokenStore& store, const agent::RecordName& name) {
    const auto login = must(store.find_login(name));
    return login ? std::string(login->refresh_token.reveal()) : std::string();
}

}  // namespace postbearer::test
