// SPDX-License-Identifier: Apache-2.0

// Seconds to seal 100,000 records with a new master key, a thousand in each transaction, and to
// open a store of that size (SQLite's quick check reads all of it). On the disk below TMPDIR.

#include <chrono>
#include <filesystem>
#include <utility>
#include <vector>

#include "tests/bench/bench_support.hh"
#include "tests/support/failure.hh"
#include "tests/support/temp_dir.hh"
#include "token-agent/store/sqlite_store.hh"

namespace {

using namespace postbearer;
using namespace postbearer::bench;
using postbearer::agent::KeyRing;
using postbearer::agent::SqliteStore;
using postbearer::protocol::kResources;

constexpr std::size_t kRecords = 100'000;
constexpr std::size_t kBatch = 1'000;
constexpr std::size_t kTokenBytes = 1'600;  // of Entra's refresh and access tokens
constexpr int kMostRounds = 3;

template <typename T>
T must(Result<T> result) {
    if (!result) {
        test::fail(result.error().context);
    }
    return std::move(*result);
}

Secret key(char fill) { return Secret(std::string(agent::kMasterKeyBytes, fill)); }

class Watch {
public:
    [[nodiscard]] double seconds() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

void fill(SqliteStore& store, const Clock& clock, std::size_t records) {
    agent::StoredAccess access;
    access.token = Secret(std::string(kTokenBytes, 't'));
    access.issued_at = clock.wall();
    access.life = std::chrono::hours(1);
    for (std::size_t i = 0; i < records; ++i) {
        const agent::RecordName name{
            "contoso", "user" + std::to_string(i / std::size(kResources)) + "@contoso.test",
            "00000000-0000-0000-0000-000000000000"};
        const auto put = store.put_access(name, kResources[i % std::size(kResources)], access);
        if (!put) {
            test::fail(put.error().context);
        }
    }
}

void rekey_store(const Options& options, Report& report) {
    const SystemClock clock;
    const test::TempDir directory("pb-rekey");
    std::filesystem::permissions(directory.path(), std::filesystem::perms(0700));
    const std::size_t records = options.amount(kRecords, 2'000);
    const auto open = [&](char current, char previous) {
        std::vector<Secret> older;
        older.push_back(key(previous));
        return must(SqliteStore::open(
            {directory / "tokens.db", must(KeyRing::make(key(current), std::move(older))), clock}));
    };
    fill(*open('a', 'b'), clock, records);
    std::vector<double> rekey_s, open_s;
    for (int round = 0; round < options.at_most(kMostRounds); ++round) {
        const Watch opening;
        const auto store = round % 2 == 0 ? open('b', 'a') : open('a', 'b');
        open_s.push_back(opening.seconds());
        const Watch watch;
        std::uint64_t done = 0;
        for (agent::RekeyProgress progress{0, 1, 0}; progress.remaining > 0;) {
            progress = must(store->rekey(kBatch));
            done += progress.done;
        }
        rekey_s.push_back(watch.seconds());
        if (done != records) {
            test::fail(std::to_string(done) + " records were sealed anew");
        }
    }
    report.add({.name = "rekey_100000",
                .title = "rekey of 100,000 records",
                .value = spread_of(rekey_s),
                .unit = "s",
                .bound = Bound::AtMost,
                .target = 60});
    report.add({.name = "open_store_100000",
                .title = "  opening that store",
                .value = spread_of(open_s),
                .unit = "s"});
}

}  // namespace

int main(int argc, char** argv) { return bench_main(argc, argv, rekey_store); }
