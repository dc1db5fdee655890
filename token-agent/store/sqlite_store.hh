// SPDX-License-Identifier: Apache-2.0
#pragma once

// The token store in one SQLite file: write-ahead log, synchronous=FULL, one connection with an
// exclusive lock. Accounts and tokens are sealed (records.hh); in clear are the providers' names,
// generations and times. Schema: schema.hh.

#include <memory>
#include <string>

#include "common/clock.hh"
#include "token-agent/store/records.hh"
#include "token-agent/store/store_opening.hh"
#include "token-agent/store/token_store.hh"

namespace postbearer::agent {

/// Used by one thread at a time.
class SqliteStore final : public TokenStore {
    /// Only open() makes one.
    struct Opening {
        explicit Opening() = default;
    };

public:
    struct Options {
        std::string path;
        KeyRing ring;
        const Clock& clock;  // names copies and what is set aside; outlives the store
        std::chrono::milliseconds busy_timeout{2000};
    };

    SqliteStore(Opening opening, Options options, OpenStore store);
    /// Errors: open_store(). A damaged file is set aside and a new one begun; opened() tells.
    [[nodiscard]] static Result<std::unique_ptr<SqliteStore>> open(Options options);

    [[nodiscard]] const StoreReport& opened() const noexcept { return report_; }
    /// Why it can only be read now, or empty. Each write tries to get out of it.
    [[nodiscard]] const std::string& read_only() const noexcept { return report_.read_only; }

    [[nodiscard]] Result<std::optional<StoredLogin>> find_login(const RecordName& name) override;
    [[nodiscard]] Result<std::uint64_t> put_login(const RecordName& name,
                                                  const NewLogin& login) override;
    [[nodiscard]] Result<void> begin_attempt(const RecordName& name, std::uint64_t generation,
                                             WallTime now) override;
    [[nodiscard]] Result<void> end_attempt(const RecordName& name) override;
    [[nodiscard]] Result<std::uint64_t> put_renewal(const RecordName& name,
                                                    const Renewal& renewal) override;
    [[nodiscard]] Result<bool> forget(const RecordName& name) override;
    [[nodiscard]] Result<std::optional<StoredAccess>> find_access(
        const RecordName& name, protocol::Resource resource) override;
    [[nodiscard]] Result<void> put_access(const RecordName& name, protocol::Resource resource,
                                          const StoredAccess& access) override;
    [[nodiscard]] Result<void> drop_access(const RecordName& name,
                                           protocol::Resource resource) override;
    [[nodiscard]] Result<LoginPage> list(const std::string& cursor, std::size_t limit) override;
    [[nodiscard]] Result<LoginPage> unused_since(WallTime before, const std::string& cursor,
                                                 std::size_t limit) override;
    [[nodiscard]] Result<std::uint64_t> count_logins() override;
    [[nodiscard]] Result<LoginDump> read_logins(const std::string& cursor,
                                                std::size_t limit) override;
    [[nodiscard]] Result<RekeyProgress> rekey(std::size_t limit) override;

private:
    /// A generation of a login as it stands in the file.
    struct Row {
        std::int64_t id = 0;
        SealedRow sealed;
        WallTime logged_in_at;
        WallTime used_at;
        std::optional<WallTime> attempt_at;
    };
    /// The newest generation that could be opened.
    struct OpenedLogin {
        RecordIdentity identity;
        Secret token;
        WallTime logged_in_at;
        WallTime used_at;
        bool previous = false;
    };
    /// What becomes of the generations that are there when a new one is written.
    enum class Before : std::uint8_t {
        Kept,     // the newest becomes the previous one
        Damaged,  // the newest goes, the previous one stays
        Gone
    };
    struct NewGeneration {
        std::uint64_t generation = 0;
        RecordIdentity identity;
        std::string_view token;
        WallTime logged_in_at;
        WallTime used_at;
        Before before = Before::Kept;
    };
    /// How much a write survives: the end of the process, or a loss of power as well.
    enum class Durability : std::uint8_t { Process, Synced };

    [[nodiscard]] Result<Transaction> begin_write(Durability durability);
    /// Unavailable: the path names another file than the one that was opened.
    [[nodiscard]] Result<void> check_same_file() const;
    [[nodiscard]] Result<void> become_writable();
    [[nodiscard]] Result<std::string> place_of(const RecordName& name) const;
    [[nodiscard]] static Row read_row(const Statement& statement);
    [[nodiscard]] static Result<std::vector<Row>> read_rows(Statement& statement);
    /// Both generations, the newest first.
    [[nodiscard]] Result<std::vector<Row>> login_rows(const std::string& place);
    [[nodiscard]] Result<OpenedLogin> open_row(const Row& row, const RecordName& name) const;
    /// Whether the generation before may be used instead of the newest one, which has `error`.
    [[nodiscard]] static bool has_substitute(const std::vector<Row>& rows,
                                             const Error& error) noexcept;
    [[nodiscard]] Result<OpenedLogin> open_newest(const std::vector<Row>& rows,
                                                  const RecordName& name) const;
    /// As open_newest(), whatever client it was made with: each generation says so itself.
    [[nodiscard]] Result<OpenedLogin> open_any(const std::vector<Row>& rows) const;
    [[nodiscard]] ListedLogin listed(const Row& row) const;
    [[nodiscard]] Result<std::vector<Row>> page_of(const std::string& cursor, std::size_t limit);

    [[nodiscard]] Result<void> write_generation(const std::string& place,
                                                const std::string& provider,
                                                const NewGeneration& login);
    [[nodiscard]] Result<void> write_anew(const std::string& place, const std::string& provider,
                                          std::uint64_t generation, const OpenedLogin& login);
    [[nodiscard]] Result<void> write_next(const std::string& place, const RecordName& name,
                                          const std::vector<Row>& rows, Result<OpenedLogin>& before,
                                          const Renewal& renewal);
    [[nodiscard]] Result<void> write_used(const std::string& place, const RecordName& name,
                                          Result<OpenedLogin>& before, const Renewal& renewal);
    [[nodiscard]] Result<void> write_access(const std::string& place, const RecordName& name,
                                            protocol::Resource resource,
                                            const StoredAccess& access);
    /// A statement with the place as its first value and perhaps a time as its second.
    [[nodiscard]] Result<std::int64_t> run_at(const char* sql, const std::string& place,
                                              std::optional<WallTime> time = std::nullopt);
    void empty_log();

    [[nodiscard]] Result<std::vector<Row>> rows_of_other_keys(std::size_t limit);
    [[nodiscard]] Result<std::uint64_t> count_of_other_keys(const char* sql);
    [[nodiscard]] Result<bool> seal_anew(Statement& update, Row& row) const;
    [[nodiscard]] Result<void> seal_index_key_anew();

    std::string path_;
    std::chrono::milliseconds busy_timeout_;
    const Clock& clock_;
    Database database_;
    FileIdentity identity_;
    StoreReport report_;
    RecordSealer sealer_;
    bool synced_ = true;        // what PRAGMA synchronous says now
    std::int64_t rekeyed_ = 0;  // rekey() is done with the records up to this id
};

}  // namespace postbearer::agent
