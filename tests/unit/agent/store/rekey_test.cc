// SPDX-License-Identifier: Apache-2.0
// From one master key to the next, whatever happens on the way; and other work that is killed.
#include <signal.h>
#include <unistd.h>

#include <chrono>

#include "tests/unit/agent/store/disk_faults.hh"
#include "tests/unit/agent/store/store_room.hh"
#include "token-agent/store/aead.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace postbearer::test;
using namespace std::chrono_literals;
using protocol::Resource;

struct Rekeying : StoreRoom {
    static constexpr int kLogins = 12;

    static RecordName name(int i) {
        RecordName out = alice();
        out.account = "user" + std::to_string(i) + "@contoso.test";
        return out;
    }
    /// Three records each: two generations and an access token.
    void fill(const std::string& keys = "A") {
        auto store = open(keys);
        for (int i = 0; i < kLogins; ++i) {
            (void)must(store->put_login(name(i), new_login("first", time.wall())));
            auto next =
                renewal(generation_of(*store, name(i)), "second" + std::to_string(i), time.wall());
            next.access = access_token("access" + std::to_string(i), time.wall());
            (void)must(store->put_renewal(name(i), next));
        }
    }
    void check(const std::string& keys) {
        auto store = open(keys);
        BOOST_TEST(store->opened().set_aside.empty());
        for (int i = 0; i < kLogins; ++i) {
            const std::string number = std::to_string(i);
            const auto login = must(store->find_login(name(i)));
            BOOST_REQUIRE(login.has_value());
            BOOST_TEST(!login->previous);
            BOOST_TEST(login->refresh_token.reveal() == "second" + number);
            BOOST_TEST(must(store->find_access(name(i), Resource::Smtp))->token.reveal() ==
                       "access" + number);
        }
    }
    void rekey_all(const std::string& keys) {
        auto store = open(keys);
        std::uint64_t remaining = 1;
        while (remaining > 0) {
            remaining = must(store->rekey(7)).remaining;
        }
    }
    [[nodiscard]] std::string keys_in_use() const {
        return RawDatabase(path()).value("SELECT group_concat(DISTINCT hex(key_id)) FROM record");
    }
    /// The files as they are now, to be put back.
    void keep() { kept_ = read_file(path()); }
    void put_back() {
        for (const std::string& file : names()) {
            std::filesystem::remove(directory / file);
        }
        write_file(path(), kept_, 0600);
    }

private:
    std::string kept_;
};

BOOST_FIXTURE_TEST_SUITE(rekey_test, Rekeying)

BOOST_AUTO_TEST_CASE(all_records_go_to_the_new_key_step_by_step) {
    fill();
    {
        auto store = open("BA");
        std::uint64_t remaining = 3 * kLogins;
        while (remaining > 0) {
            const RekeyProgress progress = must(store->rekey(7));
            BOOST_TEST(progress.done == std::min<std::uint64_t>(7, remaining));
            BOOST_TEST(progress.remaining == remaining - progress.done);
            BOOST_TEST(progress.unreadable == 0U);
            remaining = progress.remaining;
        }
        const RekeyProgress again = must(store->rekey(7));
        BOOST_TEST(again.done == 0U);
        BOOST_TEST(again.remaining == 0U);
    }
    check("B");
    BOOST_TEST(!try_open("A").has_value());
    BOOST_TEST(names().size() == 1U);
}

BOOST_AUTO_TEST_CASE(what_is_written_meanwhile_is_not_lost) {
    fill();
    {
        auto store = open("BA");
        BOOST_TEST(must(store->rekey(5)).remaining == 3U * kLogins - 5);
        // One that is done and one that is not: both get a new generation.
        for (const int i : {0, kLogins - 1}) {
            (void)must(store->put_renewal(
                name(i), renewal(generation_of(*store, name(i)), "third", time.wall())));
        }
        (void)must(store->put_login(bob(), new_login("new", time.wall())));
        while (must(store->rekey(5)).remaining > 0) {
        }
    }
    auto store = open("B");
    for (const int i : {0, kLogins - 1}) {
        BOOST_TEST(token_of(*store, name(i)) == "third");
    }
    BOOST_TEST(token_of(*store, bob()) == "new");
    BOOST_TEST(token_of(*store, name(5)) == "second5");
    store.reset();
    // The generation before went along.
    RawDatabase(path()).run("UPDATE record SET name = zeroblob(80) WHERE slot = 'refresh'");
    store = open("B");
    for (int i = 0; i < kLogins; ++i) {
        BOOST_TEST(must(store->find_login(name(i)))->previous);
    }
}

BOOST_AUTO_TEST_CASE(what_cannot_be_opened_stands_in_the_way_of_nothing) {
    fill();
    RawDatabase(path()).run("UPDATE record SET secret = zeroblob(80) WHERE id = 1");
    {
        auto store = open("BA");
        RekeyProgress progress;
        std::uint64_t done = 0;
        do {
            progress = must(store->rekey(7));
            done += progress.done;
        } while (progress.remaining > 0);
        BOOST_TEST(done == 3U * kLogins - 1);
        BOOST_TEST(progress.unreadable == 1U);
    }
    auto store = open("B");
    BOOST_TEST(token_of(*store, name(3)) == "second3");
    BOOST_TEST(must(store->rekey(7)).unreadable == 1U);
}

struct KeyGone : Rekeying {
    /// alice's newest token is sealed with B, and the two before it with A, which is all there is.
    KeyGone() {
        (void)must(open("A")->put_login(alice(), new_login("first", time.wall())));
        renew("A", "second");
        renew("BA", "third");
    }
    void renew(const std::string& keys, const std::string& token) {
        const std::string newest = "SELECT generation FROM record WHERE slot = 'refresh'";
        const auto generation = std::stoull(RawDatabase(path()).value(newest));
        (void)must(open(keys)->put_renewal(alice(), renewal(generation, token, time.wall())));
    }
    void damage_newest() {
        RawDatabase(path()).run(
            "UPDATE record SET name = zeroblob(80), secret = zeroblob(80) WHERE slot = 'refresh'");
    }
};

/// It would be taken for a stolen one by a provider that takes each token once.
BOOST_FIXTURE_TEST_CASE(no_older_token_stands_in_for_one_whose_key_is_missing, KeyGone) {
    {
        auto store = open("A");
        const Error error = refusal(store->find_login(alice()));
        BOOST_CHECK(error.code == Errc::Config);
        BOOST_TEST(contains(error.context, hex(ring_of("B").current_id())), error.context);
        BOOST_TEST(!must(store->list("", 9)).logins.at(0).readable);
        const auto dump = must(store->read_logins("", 9));
        BOOST_TEST(dump.logins.empty());
        BOOST_TEST(dump.unreadable.size() == 1U);
        BOOST_TEST(must(store->rekey(9)).unreadable == 1U);
    }
    BOOST_TEST(token_of(*open("BA"), alice()) == "third");
    damage_newest();
    BOOST_TEST(token_of(*open("A"), alice()) == "second");  // that is what it is for
}

BOOST_FIXTURE_TEST_CASE(a_renewal_keeps_the_token_whose_key_is_missing, KeyGone) {
    renew("A", "fourth");
    BOOST_TEST(token_of(*open("A"), alice()) == "fourth");
    damage_newest();
    BOOST_CHECK(refusal(open("A")->find_login(alice())).code == Errc::Protocol);
    renew("A", "fifth");
    damage_newest();
    BOOST_TEST(token_of(*open("BA"), alice()) == "third");
}

BOOST_FIXTURE_TEST_CASE(a_login_keeps_the_one_whose_key_is_missing_and_hands_it_to_nobody,
                        KeyGone) {
    (void)must(open("A")->put_login(alice(), new_login("again", time.wall() + 1h)));
    BOOST_TEST(token_of(*open("A"), alice()) == "again");
    BOOST_TEST(RawDatabase(path()).value("SELECT key_id FROM record WHERE slot = 'previous'") ==
               ring_of("B").current_id());
    damage_newest();
    BOOST_CHECK(refusal(open("BA")->find_login(alice())).code == Errc::Protocol);
    BOOST_TEST(must(open("BA")->read_logins("", 9)).logins.empty());
}

BOOST_AUTO_TEST_CASE(a_rekey_that_is_killed_at_any_write_goes_on_where_it_was) {
    fill();
    keep();
    int kills = 0;
    bool killed = true;
    for (int writes = 0; killed; ++writes) {
        put_back();
        killed = killed_at_write(writes, [this] { rekey_all("BA"); });
        kills += killed ? 1 : 0;
        check("BA");
        check("AB");
        rekey_all("BA");
        check("B");
        BOOST_TEST(keys_in_use().find(',') == std::string::npos);
    }
    BOOST_TEST(kills > 20);
}

BOOST_AUTO_TEST_CASE(a_renewal_that_is_killed_at_any_write_is_whole_or_not_there) {
    fill();
    const auto second = generation_of(*open(), name(3));
    keep();
    int kills = 0;
    int whole = 0;
    bool killed = true;
    for (int writes = 0; killed; ++writes) {
        put_back();
        killed = killed_at_write(writes, [this, second] {
            auto store = open();
            must(store->begin_attempt(name(3), second, time.wall()));
            auto next = renewal(second, "third", time.wall());
            next.access = access_token("access of third", time.wall());
            (void)must(store->put_renewal(name(3), next));
        });
        kills += killed ? 1 : 0;
        auto store = open();
        const auto login = must(store->find_login(name(3)));
        const bool stored = login->refresh_token.reveal() == "third";
        whole += stored ? 1 : 0;
        BOOST_TEST((stored || login->refresh_token.reveal() == "second3"));
        BOOST_TEST(login->generation == second + (stored ? 1 : 0));
        BOOST_TEST(must(store->find_access(name(3), Resource::Smtp))->token.reveal() ==
                   (stored ? "access of third" : "access3"));
        BOOST_TEST((!stored || !login->attempt_at.has_value()));
        BOOST_TEST(token_of(*store, name(4)) == "second4");
    }
    BOOST_TEST(kills > 6);
    BOOST_TEST(whole > 0);
    BOOST_TEST(whole < kills);
}

BOOST_AUTO_TEST_CASE(the_mark_of_an_attempt_survives_a_kill_though_it_was_not_synced) {
    fill();
    const WallTime then = time.wall() + 5s;
    BOOST_TEST(killed_at_write(1000, [this, then] {
        auto store = open();
        must(store->begin_attempt(name(3), generation_of(*store, name(3)), then));
        (void)::kill(::getpid(), SIGKILL);
    }));
    auto store = open();
    BOOST_CHECK(must(store->find_login(name(3)))->attempt_at == then);
    BOOST_TEST(!must(store->find_login(name(4)))->attempt_at.has_value());
}

BOOST_AUTO_TEST_CASE(a_migration_that_is_killed_at_any_write_is_made_again) {
    fill();
    RawDatabase(path()).run("ALTER TABLE record DROP COLUMN attempt_at; PRAGMA user_version = 1;");
    keep();
    int kills = 0;
    bool killed = true;
    for (int writes = 0; killed; ++writes) {
        put_back();
        killed = killed_at_write(writes, [this] { (void)open(); });
        kills += killed ? 1 : 0;
        time.advance(1s);
        check("A");
        for (const std::string& file : names()) {
            // A copy under its name is whole; what is not is called so.
            if (contains(file, ".bak") && !contains(file, ".tmp")) {
                BOOST_TEST(RawDatabase(directory / file).value("PRAGMA quick_check") == "ok");
                BOOST_TEST(RawDatabase(directory / file).value("PRAGMA user_version") == "1");
            }
        }
    }
    BOOST_TEST(kills > 6);
    BOOST_TEST(!std::filesystem::exists(path().string() + ".bak.tmp"));
}

BOOST_AUTO_TEST_CASE(a_new_store_whose_making_is_killed_is_made_again) {
    int kills = 0;
    bool killed = true;
    for (int writes = 0; killed; ++writes) {
        for (const std::string& file : names()) {
            std::filesystem::remove(directory / file);
        }
        killed = killed_at_write(writes, [this] { (void)open(); });
        kills += killed ? 1 : 0;
        auto store = open();
        BOOST_TEST(store->opened().set_aside.empty());
        (void)must(store->put_login(alice(), new_login("refresh-1", time.wall())));
        BOOST_TEST(token_of(*store, alice()) == "refresh-1");
    }
    BOOST_TEST(kills > 2);
}

BOOST_AUTO_TEST_CASE(a_rekey_that_finds_the_disk_full_counts_nothing_as_done) {
    fill();
    auto store = open("BA");
    BOOST_TEST(must(store->rekey(5)).done == 5U);
    {
        const DiskFault fault(Fault::Full);
        BOOST_CHECK(refusal(store->rekey(100)).code == Errc::Unavailable);
    }
    BOOST_TEST(must(store->rekey(100)).done == 3U * kLogins - 5);
    store.reset();
    check("B");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
