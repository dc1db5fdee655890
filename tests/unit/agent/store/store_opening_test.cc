// SPDX-License-Identifier: Apache-2.0
// Modes and owners, other processes, other versions, other keys, damage.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/data/test_case.hpp>
#include <fstream>

#include "tests/unit/agent/store/disk_faults.hh"
#include "tests/unit/agent/store/store_room.hh"
#include "token-agent/store/aead.hh"
#include "token-agent/store/schema.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace postbearer::test;
using namespace std::chrono_literals;

// 1'800'000'000, where ManualTime begins
constexpr const char* kNow = "20270115080000";

struct Opening : StoreRoom {
    void put_alice(const std::string& token = "refresh-1") {
        (void)must(open()->put_login(alice(), new_login(token, time.wall())));
    }
    /// Refused with Config and all of `words`; nothing was renamed or changed.
    void refused(const std::vector<std::string>& words, const std::string& keys = "A") {
        const auto before = names();
        const Error error = refusal(try_open(keys));
        BOOST_CHECK(error.code == Errc::Config);
        for (const std::string& word : words) {
            BOOST_TEST(contains(error.context, word), error.context);
        }
        BOOST_CHECK(names() == before);
    }
    void scribble(std::size_t offset, const std::string& bytes) {
        std::string content = read_file(path());
        content.replace(offset, bytes.size(), bytes);
        write_file(path(), content, 0600);
    }
};

BOOST_FIXTURE_TEST_SUITE(store_opening_test, Opening)

BOOST_AUTO_TEST_CASE(a_new_store_is_for_its_owner_only_whatever_the_umask) {
    for (const mode_t mask : {0000U, 0777U}) {
        std::filesystem::remove(path());
        const mode_t before = ::umask(mask);
        auto store = try_open();
        ::umask(before);
        BOOST_TEST(must(std::move(store))->opened().created);
        BOOST_TEST(mode_of(path()) == 0600U);
    }
    const mode_t before = ::umask(0);
    auto store = open();
    (void)must(store->put_login(alice(), new_login("refresh-1", time.wall())));
    ::umask(before);
    BOOST_TEST(!store->opened().created);
    BOOST_CHECK(names() == (std::vector<std::string>{"tokens.db", "tokens.db-wal"}));
    BOOST_TEST(mode_of(path().string() + "-wal") == 0600U);
}

BOOST_AUTO_TEST_CASE(a_directory_that_others_may_enter_is_refused_with_the_command_that_mends_it) {
    for (const mode_t mode : {0710U, 0701U, 0750U, 0755U, 0720U, 0702U}) {
        BOOST_REQUIRE(::chmod(directory.path().c_str(), mode) == 0);
        refused({"chmod 700 " + directory.path().string(), "mode 0"});
    }
    BOOST_REQUIRE(::chmod(directory.path().c_str(), 0700) == 0);
    BOOST_TEST(try_open().has_value());
}

BOOST_AUTO_TEST_CASE(a_directory_that_is_not_there_is_not_made) {
    const Error error = refusal(SqliteStore::open(
        {directory / "none/tokens.db", ring_of("A"), time, std::chrono::milliseconds(20)}));
    BOOST_CHECK(error.code == Errc::Config);
    BOOST_TEST(contains(error.context, "mkdir -m 700 " + (directory / "none").string()));
}

BOOST_AUTO_TEST_CASE(a_file_that_others_may_use_is_refused_and_so_are_its_companions) {
    put_alice();
    for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
        const std::string file = path().string() + suffix;
        const bool there = std::filesystem::exists(file);
        if (!there) {
            write_file(file, "", 0600);
        }
        for (const mode_t mode : {0640U, 0604U, 0660U, 0610U}) {
            BOOST_REQUIRE(::chmod(file.c_str(), mode) == 0);
            refused({"chmod 600 " + file});
        }
        BOOST_REQUIRE(::chmod(file.c_str(), 0600) == 0);
        if (!there) {
            std::filesystem::remove(file);
        }
    }
    BOOST_TEST(token_of(*open(), alice()) == "refresh-1");
}

BOOST_AUTO_TEST_CASE(a_symbolic_link_is_not_followed) {
    put_alice();
    std::filesystem::rename(path(), directory / "real.db");
    std::filesystem::create_symlink("real.db", path());
    refused({"symbolic link"});
    std::filesystem::remove(path());
    std::filesystem::create_symlink("nowhere.db", path());
    refused({"symbolic link"});
    std::filesystem::remove(path());
    std::filesystem::create_directory(path());
    refused({"is not a file"});
}

BOOST_AUTO_TEST_CASE(what_belongs_to_somebody_else_is_refused,
                     *boost::unit_test::precondition([](boost::unit_test::test_unit_id) {
                         return boost::test_tools::assertion_result(::geteuid() == 0);
                     })) {
    put_alice();
    BOOST_REQUIRE(::chown(path().c_str(), 65534, 65534) == 0);
    refused({"belongs to uid 65534", "chown 0 " + path().string()});
    BOOST_REQUIRE(::chown(path().c_str(), 0, 0) == 0);
    BOOST_REQUIRE(::chown(directory.path().c_str(), 65534, 65534) == 0);
    refused({"belongs to uid 65534", "chown 0 " + directory.path().string()});
    BOOST_REQUIRE(::chown(directory.path().c_str(), 0, 0) == 0);
}

BOOST_AUTO_TEST_CASE(a_second_agent_on_the_same_file_is_refused) {
    put_alice();
    auto first = open();
    const Error error = refusal(try_open());
    BOOST_CHECK(error.code == Errc::Config);
    BOOST_TEST(contains(error.context, "in use by another process"), error.context);
    BOOST_TEST(token_of(*first, alice()) == "refresh-1");
    (void)must(first->put_renewal(
        alice(), renewal(generation_of(*first, alice()), "refresh-2", time.wall())));
    // The refusal has not taken the first one's locks away.
    BOOST_TEST(!try_open().has_value());
    first.reset();
    BOOST_TEST(token_of(*open(), alice()) == "refresh-2");
}

BOOST_AUTO_TEST_CASE(version_1_becomes_version_2_with_all_it_holds_and_a_copy_is_kept) {
    const auto first = must(open()->put_login(alice(), new_login("refresh-1", time.wall())));
    (void)must(open()->put_renewal(alice(), renewal(first, "refresh-2", time.wall())));
    RawDatabase(path()).run("ALTER TABLE record DROP COLUMN attempt_at; PRAGMA user_version = 1;");
    auto store = open();
    const std::string backup = path().string() + ".v1-" + kNow + ".bak";
    BOOST_TEST(store->opened().migrated_from == 1);
    BOOST_TEST(store->opened().backup == backup);
    BOOST_TEST(mode_of(backup) == 0600U);
    BOOST_TEST(token_of(*store, alice()) == "refresh-2");
    must(store->begin_attempt(alice(), generation_of(*store, alice()), time.wall()));
    BOOST_TEST(must(store->find_login(alice()))->attempt_at.has_value());
    store.reset();
    BOOST_CHECK(names() == (std::vector<std::string>{
                               "tokens.db", "tokens.db.v1-" + std::string(kNow) + ".bak"}));
    store = open();
    BOOST_TEST(store->opened().migrated_from == 0);
    BOOST_TEST(store->opened().backup.empty());
    store.reset();
    // The copy is version 1 and whole: put back, it is migrated again.
    std::filesystem::rename(backup, path());
    BOOST_TEST(RawDatabase(path()).value("PRAGMA user_version") == "1");
    store = open();
    BOOST_TEST(store->opened().migrated_from == 1);
    BOOST_TEST(token_of(*store, alice()) == "refresh-2");
}

BOOST_AUTO_TEST_CASE(a_migration_that_cannot_make_its_copy_does_not_happen) {
    put_alice();
    RawDatabase(path()).run("ALTER TABLE record DROP COLUMN attempt_at; PRAGMA user_version = 1;");
    const Path unfinished = path().string() + ".bak.tmp";
    std::filesystem::create_directory(unfinished);  // in its way
    const Error error = refusal(try_open());
    BOOST_CHECK(error.code == Errc::Unavailable);
    BOOST_TEST(contains(error.context, "before the schema changes from version 1"), error.context);
    BOOST_TEST(RawDatabase(path()).value("PRAGMA user_version") == "1");
    BOOST_TEST(names().size() == 2U);
    std::filesystem::remove(unfinished);
    const std::string earlier = path().string() + ".v1-" + kNow + ".bak";
    write_file(earlier, "an earlier copy", 0600);
    auto store = open();
    BOOST_TEST(store->opened().backup == earlier + ".1");
    BOOST_TEST(read_file(earlier) == "an earlier copy");
    BOOST_TEST(token_of(*store, alice()) == "refresh-1");
}

BOOST_AUTO_TEST_CASE(a_new_database_and_a_migrated_one_are_the_same) {
    put_alice();
    const std::string columns =
        "SELECT group_concat(name || type || \"notnull\") FROM pragma_table_info('record')";
    const std::string fresh = RawDatabase(path()).value(columns);
    RawDatabase(path()).run("ALTER TABLE record DROP COLUMN attempt_at; PRAGMA user_version = 1;");
    (void)open();
    BOOST_TEST(RawDatabase(path()).value(columns) == fresh);
}

BOOST_AUTO_TEST_CASE(a_newer_schema_is_refused_with_both_versions) {
    put_alice();
    RawDatabase(path()).run("PRAGMA user_version = 7");
    refused({"schema version 7", "version 2", "install the newer release"});
    BOOST_TEST(RawDatabase(path()).value("PRAGMA user_version") == "7");
}

BOOST_AUTO_TEST_CASE(a_database_of_another_program_is_left_alone) {
    write_file(path(), "", 0600);
    RawDatabase(path()).run("CREATE TABLE mail (id INTEGER); PRAGMA user_version = 1");
    refused({"another program"});
    BOOST_TEST(RawDatabase(path()).value("SELECT count(*) FROM mail") == "0");
}

BOOST_AUTO_TEST_CASE(a_key_that_does_not_fit_is_named_with_the_one_that_would) {
    put_alice();
    refused({"master key " + hex(ring_of("A").current_id()), ring_of("BC").describe(),
             "give the key with that id back", "log in again"},
            "BC");
    BOOST_TEST(token_of(*open("BA"), alice()) == "refresh-1");
    BOOST_TEST(token_of(*open("A"), alice()) == "refresh-1");
}

struct Damage {
    const char* name;
    void (*harm)(Opening& room);
};
std::ostream& operator<<(std::ostream& out, const Damage& row) { return out << row.name; }
const Damage kDamages[] = {
    {"no database at all",
     [](Opening& room) { write_file(room.path(), std::string(9000, '#'), 0600); }},
    {"the header", [](Opening& room) { room.scribble(0, "garbage"); }},
    {"a page of records",
     [](Opening& room) {
         const std::string content = read_file(room.path());
         for (std::size_t page = 4096; page < content.size(); page += 4096) {
             room.scribble(page, std::string(200, '\x7f'));
         }
     }},
    {"cut short",
     [](Opening& room) { write_file(room.path(), read_file(room.path()).substr(0, 5000), 0600); }},
    {"empty beside a log",
     [](Opening& room) {
         write_file(room.path(), "", 0600);
         write_file(room.path().string() + "-wal", "log", 0600);
     }},
    {"a table is missing",
     [](Opening& room) { RawDatabase(room.path()).run("DROP TABLE record"); }},
    {"the index key is missing",
     [](Opening& room) { RawDatabase(room.path()).run("DELETE FROM meta"); }},
    {"the index key is damaged",
     [](Opening& room) {
         RawDatabase(room.path())
             .run("UPDATE meta SET value = CAST(substr(value, 1, 60) || zeroblob(44) AS BLOB)");
     }},
};

BOOST_DATA_TEST_CASE(what_is_damaged_is_set_aside_and_a_new_store_begun,
                     boost::unit_test::data::make(kDamages), row) {
    put_alice();
    row.harm(*this);
    const std::string damaged = read_file(path());
    auto store = open();
    const std::string aside = path().string() + ".corrupt-" + kNow;
    BOOST_TEST(store->opened().set_aside == aside);
    BOOST_TEST(!store->opened().damage.empty());
    BOOST_TEST(contains(store->opened().damage, "damaged"), store->opened().damage);
    BOOST_TEST(store->opened().created);
    BOOST_CHECK(read_file(aside) == damaged);
    BOOST_TEST(mode_of(aside) == 0600U);
    BOOST_TEST(token_of(*store, alice()).empty());
    (void)must(store->put_login(alice(), new_login("again", time.wall())));
    store.reset();
    BOOST_TEST(token_of(*open(), alice()) == "again");
    // A second time in the same second takes another name.
    write_file(path(), "damaged again", 0600);
    BOOST_TEST(open()->opened().set_aside == aside + ".1");
    BOOST_CHECK(read_file(aside) == damaged);
}

BOOST_AUTO_TEST_CASE(a_failure_of_openssl_is_not_damage) {
    put_alice();
    const Error error = [this] {
        // The key ring is there when the store is opened.
        SqliteStore::Options options{path(), ring_of("A"), time, std::chrono::milliseconds(20)};
        const KeyFault fault;
        return refusal(SqliteStore::open(std::move(options)));
    }();
    BOOST_CHECK(error.code == Errc::Internal);
    BOOST_TEST(contains(error.context, path().string()), error.context);
    BOOST_TEST(contains(error.context, "OpenSSL"), error.context);
    BOOST_CHECK(names() == std::vector<std::string>{"tokens.db"});
    BOOST_TEST(token_of(*open(), alice()) == "refresh-1");
}

BOOST_AUTO_TEST_CASE(a_log_goes_with_the_file_it_belongs_to) {
    put_alice();
    write_file(path(), std::string(9000, '#'), 0600);
    write_file(path().string() + "-wal", "its log", 0600);
    const auto store = open();
    BOOST_TEST(read_file(store->opened().set_aside + "-wal") == "its log");
}

BOOST_AUTO_TEST_CASE(an_empty_file_becomes_a_store) {
    write_file(path(), "", 0600);
    BOOST_TEST(open()->opened().created);
    put_alice();
    BOOST_TEST(token_of(*open(), alice()) == "refresh-1");
}

BOOST_AUTO_TEST_CASE(damage_met_later_is_said_and_nothing_is_renamed) {
    auto store = open();
    for (int i = 0; i < 1000; ++i) {  // more than SQLite keeps in memory
        RecordName name = alice();
        name.account = std::to_string(i) + name.account;
        (void)must(store->put_login(name, new_login(std::string(3000, 'x'), time.wall())));
    }
    store.reset();
    store = open();
    const std::string content = read_file(path());
    std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
    for (std::size_t page = 4096; page < content.size(); page += 4096) {
        file.seekp(static_cast<std::streamoff>(page));
        file << std::string(300, '\x7f');
    }
    file.flush();
    const auto all = store->list("", 1000);
    BOOST_REQUIRE(!all);
    BOOST_CHECK(all.error().code == Errc::Protocol);
    BOOST_TEST(contains(all.error().context, "damaged"), all.error().context);
    BOOST_TEST(contains(all.error().context, "restart"), all.error().context);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
