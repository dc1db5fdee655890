// SPDX-License-Identifier: Apache-2.0
// Full, read-only and broken disks, and what is synced when.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/data/test_case.hpp>

#include "tests/unit/agent/store/disk_faults.hh"
#include "tests/unit/agent/store/store_room.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace postbearer::test;
using namespace std::chrono_literals;
using protocol::Resource;

BOOST_FIXTURE_TEST_SUITE(disk_trouble_test, StoreRoom)

BOOST_AUTO_TEST_CASE(a_renewal_is_synced_when_it_returns_and_its_beginning_costs_no_sync) {
    auto store = open();
    (void)must(store->put_login(alice(), new_login("refresh-1", time.wall())));
    constexpr int kMore = 1500;  // pages than SQLite lets gather by itself
    RecordName other = alice();
    for (int i = 0; i < kMore; ++i) {
        other.account = std::to_string(i);
        (void)must(store->put_login(other, new_login("refresh-1", time.wall())));
    }
    int before = syncs();
    for (int i = 0; i < kMore; ++i) {
        other.account = std::to_string(i);
        must(store->begin_attempt(other, generation_of(*store, other), time.wall()));
    }
    must(store->begin_attempt(alice(), generation_of(*store, alice()), time.wall()));
    BOOST_TEST(syncs() == before);
    must(store->end_attempt(alice()));  // may move the log into the database
    before = syncs();
    (void)must(store->put_renewal(
        alice(), renewal(generation_of(*store, alice()), "refresh-2", time.wall())));
    BOOST_TEST(syncs() > before);
    before = syncs();
    (void)must(store->put_login(bob(), new_login("refresh-1", time.wall())));
    BOOST_TEST(syncs() > before);
    before = syncs();
    must(store->begin_attempt(alice(), generation_of(*store, alice()), time.wall()));
    BOOST_TEST(syncs() == before);
    (void)must(
        store->put_renewal(alice(), renewal(generation_of(*store, alice()), "", time.wall())));
    BOOST_TEST(syncs() > before);
    store = nullptr;
    store = open();
    for (int i = 0; i < 3; ++i) {  // the first of a new log is synced in any case
        before = syncs();
        (void)must(
            store->put_renewal(alice(), renewal(generation_of(*store, alice()), "", time.wall())));
        BOOST_TEST(syncs() > before);
    }
}

struct Row {
    const char* name;
    Fault fault;
    const char* word;
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }
const Row kRows[] = {
    {"full", Fault::Full, "the disk is full"},
    {"read-only", Fault::ReadOnly, "read-only"},
    {"broken", Fault::Broken, "input/output error"},
};

BOOST_DATA_TEST_CASE(a_write_that_fails_changes_nothing_and_the_next_one_goes_through,
                     boost::unit_test::data::make(kRows), row) {
    auto store = open();
    (void)must(store->put_login(alice(), new_login("refresh-1", time.wall())));
    {
        const auto first = generation_of(*store, alice());
        const DiskFault fault(row.fault);
        const auto refused = [&](const Error& error) {
            BOOST_CHECK(error.code == Errc::Unavailable);
            BOOST_TEST(contains(error.context, row.word), error.context);
            BOOST_TEST(contains(error.context, path().string()), error.context);
        };
        refused(refusal(store->put_login(bob(), new_login("refresh", time.wall()))));
        refused(refusal(store->put_renewal(alice(), renewal(first, "refresh-2", time.wall()))));
        refused(refusal(store->begin_attempt(alice(), first, time.wall())));
        refused(refusal(
            store->put_access(alice(), Resource::Smtp, access_token("access", time.wall()))));
        refused(refusal(store->forget(alice())));
        if (row.fault != Fault::Broken) {
            BOOST_TEST(token_of(*store, alice()) == "refresh-1");
        }
    }
    BOOST_TEST(token_of(*store, alice()) == "refresh-1");
    BOOST_TEST(!must(store->find_login(alice()))->attempt_at.has_value());
    (void)must(store->put_renewal(
        alice(), renewal(generation_of(*store, alice()), "refresh-2", time.wall())));
    store.reset();
    BOOST_TEST(token_of(*open(), alice()) == "refresh-2");
}

BOOST_AUTO_TEST_CASE(a_store_on_a_full_disk_opens_and_is_read) {
    (void)must(open()->put_login(alice(), new_login("refresh-1", time.wall())));
    const DiskFault fault(Fault::Full);
    auto store = open();
    BOOST_TEST(token_of(*store, alice()) == "refresh-1");
    BOOST_CHECK(refusal(store->put_login(bob(), new_login("b", time.wall()))).code ==
                Errc::Unavailable);
}

BOOST_AUTO_TEST_CASE(a_store_on_a_read_only_disk_is_read_and_written_again_once_it_can_be) {
    (void)must(open()->put_login(alice(), new_login("refresh-1", time.wall())));
    std::unique_ptr<SqliteStore> store;
    {
        const DiskFault fault(Fault::ReadOnly);
        store = open();
        BOOST_TEST(contains(store->read_only(), "read-only"), store->read_only());
        BOOST_TEST(store->opened().set_aside.empty());
        BOOST_TEST(token_of(*store, alice()) == "refresh-1");
        BOOST_TEST(must(store->list("", 9)).logins.size() == 1U);
        const Error error =
            refusal(store->begin_attempt(alice(), generation_of(*store, alice()), time.wall()));
        BOOST_CHECK(error.code == Errc::Unavailable);
        BOOST_TEST(contains(error.context, "read-only"), error.context);
    }
    (void)must(store->put_renewal(
        alice(), renewal(generation_of(*store, alice()), "refresh-2", time.wall())));
    BOOST_TEST(store->read_only().empty());
    BOOST_TEST(token_of(*store, alice()) == "refresh-2");
    store.reset();
    BOOST_TEST(token_of(*open(), alice()) == "refresh-2");
}

BOOST_AUTO_TEST_CASE(a_store_that_was_replaced_while_it_was_read_only_takes_no_tokens) {
    (void)must(open()->put_login(alice(), new_login("refresh-1", time.wall())));
    std::filesystem::rename(path(), directory / "kept.db");
    (void)must(open()->put_login(alice(), new_login("of another store", time.wall())));
    std::filesystem::rename(path(), directory / "other.db");
    std::filesystem::rename(directory / "kept.db", path());
    std::unique_ptr<SqliteStore> store;
    {
        const DiskFault fault(Fault::ReadOnly);
        store = open();
    }
    std::filesystem::rename(path(), directory / "kept.db");
    std::filesystem::rename(directory / "other.db", path());
    const Error error = refusal(store->put_login(bob(), new_login("b", time.wall())));
    BOOST_CHECK(error.code == Errc::Unavailable);
    BOOST_TEST(contains(error.context, "replaced"), error.context);
    BOOST_TEST(contains(error.context, "restart postbearer-agent"), error.context);
    BOOST_TEST(token_of(*store, alice()) == "refresh-1");
    std::filesystem::rename(path(), directory / "other.db");
    std::filesystem::rename(directory / "kept.db", path());
    (void)must(store->put_login(bob(), new_login("b", time.wall())));
    BOOST_TEST(store->read_only().empty());
}

BOOST_AUTO_TEST_CASE(a_log_that_a_crash_left_is_read_on_a_read_only_disk_as_well) {
    const Path crashed = directory / "crashed";
    {
        auto store = open();
        (void)must(store->put_login(alice(), new_login("refresh-1", time.wall())));
        (void)must(store->put_renewal(
            alice(), renewal(generation_of(*store, alice()), "refresh-2", time.wall())));
        std::filesystem::create_directory(crashed);
        for (const char* suffix : {"", "-wal"}) {
            write_file(crashed / (std::string("tokens.db") + suffix),
                       read_file(path().string() + suffix), 0600);
        }
        std::filesystem::permissions(crashed, std::filesystem::perms(0700));
    }
    BOOST_REQUIRE(size_of_file(crashed / "tokens.db-wal") > 0);
    SqliteStore::Options options{crashed / "tokens.db", ring_of("A"), time, 20ms};
    const DiskFault fault(Fault::ReadOnly);
    auto store = must(SqliteStore::open(std::move(options)));
    BOOST_TEST(token_of(*store, alice()) == "refresh-2");
}

/// Without tricks: another user's eyes on a directory and a file that it may not write.
BOOST_AUTO_TEST_CASE(a_store_without_write_permission_is_read) {
    (void)must(open()->put_login(alice(), new_login("refresh-1", time.wall())));
    const bool root = ::geteuid() == 0;
    for (const Path& file : {path(), directory.path()}) {
        BOOST_REQUIRE(!root || ::chown(file.c_str(), 65534, 65534) == 0);
        BOOST_REQUIRE(::chmod(file.c_str(), file == path() ? 0400 : 0500) == 0);
    }
    const pid_t child = ::fork();
    BOOST_REQUIRE(child >= 0);
    if (child == 0) {  // exit codes, because Boost.Test is the parent's
        if (root && ::setresuid(65534, 65534, 65534) != 0) {
            ::_exit(2);
        }
        const auto store = try_open();
        if (!store) {
            (void)!::write(2, store.error().context.data(), store.error().context.size());
            ::_exit(3);
        }
        const auto login = (*store)->find_login(alice());
        const bool read = login && *login && (*login)->refresh_token.reveal() == "refresh-1";
        const auto written = (*store)->put_login(bob(), new_login("b", time.wall()));
        const bool refused = !written && written.error().code == Errc::Unavailable;
        ::_exit(!read ? 4 : !refused ? 5 : 0);
    }
    int status = 0;
    BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
    BOOST_TEST(WIFEXITED(status));
    BOOST_TEST(WEXITSTATUS(status) == 0);
    BOOST_REQUIRE(::chmod(directory.path().c_str(), 0700) == 0);
}

BOOST_AUTO_TEST_CASE(a_store_that_is_gone_or_replaced_takes_no_tokens) {
    auto store = open();
    (void)must(store->put_login(alice(), new_login("refresh-1", time.wall())));
    std::filesystem::rename(path(), directory / "moved.db");
    Error error = refusal(store->put_renewal(
        alice(), renewal(generation_of(*store, alice()), "refresh-2", time.wall())));
    BOOST_CHECK(error.code == Errc::Unavailable);
    BOOST_TEST(contains(error.context, "removed or replaced"), error.context);
    write_file(path(), "another", 0600);
    error = refusal(store->put_renewal(
        alice(), renewal(generation_of(*store, alice()), "refresh-2", time.wall())));
    BOOST_TEST(contains(error.context, "removed or replaced"), error.context);
    std::filesystem::rename(directory / "moved.db", path());
    (void)must(store->put_renewal(
        alice(), renewal(generation_of(*store, alice()), "refresh-2", time.wall())));
}

/// Whichever read of a good database it is, header and overflow pages among them.
BOOST_AUTO_TEST_CASE(one_read_that_goes_wrong_sets_no_good_database_aside) {
    RecordName name = alice();
    for (int i = 0; i < 12; ++i) {
        auto store = open();
        name.account = std::to_string(i);
        (void)must(store->put_login(name, new_login(std::string(6000, 'x'), time.wall())));
    }
    for (const ReadFault::Harm harm : {ReadFault::Harm::Error, ReadFault::Harm::Garbage}) {
        int met = 0;
        bool more = true;
        for (int reads = 1; more; ++reads) {
            {
                const ReadFault fault(reads, harm);
                const auto store = try_open();
                more = ReadFault::met();
                if (store) {
                    BOOST_TEST((*store)->opened().set_aside.empty(), "read " << reads);
                } else {
                    BOOST_CHECK(store.error().code == Errc::Unavailable);
                    BOOST_TEST((harm == ReadFault::Harm::Error), store.error().context);
                    BOOST_TEST((contains(store.error().context, "cannot be read") ||
                                contains(store.error().context, "input/output error")),
                               store.error().context);
                }
            }
            met += more ? 1 : 0;
            for (const std::string& file : names()) {
                BOOST_REQUIRE_MESSAGE(!contains(file, ".corrupt"), file << " after read " << reads);
            }
        }
        BOOST_TEST(met > 12);
        BOOST_TEST(token_of(*open(), name) == std::string(6000, 'x'));
    }
}

BOOST_AUTO_TEST_CASE(a_store_that_cannot_be_made_says_why) {
    const DiskFault fault(Fault::ReadOnly);
    const Error error = refusal(try_open());
    BOOST_CHECK(error.code == Errc::Unavailable);
    BOOST_TEST(contains(error.context, "read-only"), error.context);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
