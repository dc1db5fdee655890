// SPDX-License-Identifier: Apache-2.0
// What somebody with the file can do: read nothing, and move nothing without being noticed.
#include <boost/test/data/test_case.hpp>

#include "tests/unit/agent/store/store_room.hh"
#include "token-agent/store/aead.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace postbearer::test;
using namespace std::chrono_literals;
using protocol::Resource;

struct TwoLogins : StoreRoom {
    TwoLogins() {
        auto store = open();
        for (const RecordName& name : {alice(), bob()}) {
            (void)must(store->put_login(name, new_login("first of " + name.account, time.wall())));
            must(store->put_access(name, Resource::Smtp,
                                   access_token("smtp of " + name.account, time.wall())));
            must(store->put_access(name, Resource::Imap,
                                   access_token("imap of " + name.account, time.wall())));
        }
        for (const RecordName& name : {alice(), bob()}) {
            (void)must(
                store->put_renewal(name, renewal(generation_of(*store, name),
                                                 "second of " + name.account, time.wall() + 1h)));
        }
    }
    [[nodiscard]] std::string generation(int id) const {
        return RawDatabase(path()).value("SELECT generation FROM record WHERE id = " +
                                         std::to_string(id));
    }
    void change(const std::string& sql) { BOOST_TEST(RawDatabase(path()).run(sql) > 0); }
    /// Two rows exchange their sealed columns; ids: alice 1, 2 smtp, 3 imap; bob 4, 5, 6;
    /// alice's previous 7, bob's 8.
    void exchange(int one, int other, const std::string& columns) {
        const std::string a = std::to_string(one);
        const std::string b = std::to_string(other);
        change("CREATE TEMP TABLE kept AS SELECT * FROM record WHERE id IN (" + a + ", " + b +
               "); UPDATE record SET (" + columns + ") = (SELECT " + columns +
               " FROM kept WHERE kept.id = " + a + " + " + b + " - record.id) WHERE id IN (" + a +
               ", " + b + ")");
    }
};

BOOST_FIXTURE_TEST_SUITE(sealed_records_test, TwoLogins)

BOOST_AUTO_TEST_CASE(the_files_name_nobody_and_hold_no_token) {
    auto store = open();
    (void)must(store->put_renewal(
        alice(), renewal(generation_of(*store, alice()), "third of alice", time.wall() + 2h)));
    const std::string files = all_files();   // the log is beside the database now
    BOOST_TEST(contains(files, "contoso"));  // the provider: what is searched for can be found
    for (const char* word : {"alice", "Alice", "bob", "contoso.test", "client-1", "first of",
                             "second of", "third of", "smtp of", "imap of"}) {
        BOOST_TEST(!contains(files, word), word);
    }
}

BOOST_AUTO_TEST_CASE(the_generation_before_is_used_where_the_newest_does_not_open) {
    change("UPDATE record SET secret = zeroblob(length(secret)) WHERE id = 1");
    const std::uint64_t newest = std::stoull(generation(1));
    auto store = open();
    const auto login = must(store->find_login(alice()));
    BOOST_TEST(login->previous);
    BOOST_TEST(login->refresh_token.reveal() == "first of alice@contoso.test");
    BOOST_TEST(login->generation == newest);  // what put_renewal() wants
    BOOST_TEST(token_of(*store, bob()) == "second of bob@contoso.test");
    BOOST_TEST(must(store->read_logins("", 9)).logins.size() == 2U);
    must(store->begin_attempt(alice(), newest, time.wall()));
    BOOST_TEST(must(store->put_renewal(alice(), renewal(newest, "third", time.wall() + 2h))) ==
               newest + 1);
    BOOST_TEST(!must(store->find_login(alice()))->previous);
    BOOST_TEST(token_of(*store, alice()) == "third");
    store.reset();
    // The one that opened is still the insurance, not the damaged one.
    change("UPDATE record SET secret = zeroblob(length(secret)) WHERE id = 1");
    BOOST_TEST(token_of(*open(), alice()) == "first of alice@contoso.test");
}

/// Its key may come back, and then it is the newest again.
BOOST_AUTO_TEST_CASE(a_newest_one_that_does_not_open_is_not_written_over_by_the_one_before) {
    const std::string sealed = RawDatabase(path()).value("SELECT secret FROM record WHERE id = 1");
    const std::uint64_t newest = generation_of(*open(), alice());
    change("UPDATE record SET secret = zeroblob(length(secret)) WHERE id = 1");
    {
        auto store = open();
        BOOST_TEST(must(store->put_renewal(alice(), renewal(newest, "", time.wall() + 2h))) ==
                   newest);
        const auto login = must(store->find_login(alice()));
        BOOST_TEST(login->previous);
        BOOST_TEST(login->refresh_token.reveal() == "first of alice@contoso.test");
    }
    change("UPDATE record SET secret = x'" + hex(sealed) + "' WHERE id = 1");
    auto store = open();
    BOOST_TEST(!must(store->find_login(alice()))->previous);
    BOOST_TEST(token_of(*store, alice()) == "second of alice@contoso.test");
}

/// It may be another user's, and was replaced on purpose.
BOOST_AUTO_TEST_CASE(a_login_leaves_nothing_of_the_one_it_replaces) {
    const auto sealed = [this](int id) {
        return RawDatabase(path())
            .value("SELECT secret FROM record WHERE id = " + std::to_string(id))
            .substr(60, 30);
    };
    const std::string newest = sealed(1);
    const std::string previous = sealed(7);
    (void)must(open()->put_login(alice(), new_login("of another", time.wall() + 2h)));
    BOOST_TEST(!contains(all_files(), newest));
    BOOST_TEST(!contains(all_files(), previous));
    change("UPDATE record SET secret = zeroblob(length(secret)) WHERE id = 1");
    BOOST_CHECK(refusal(open()->find_login(alice())).code == Errc::Protocol);
}

BOOST_AUTO_TEST_CASE(a_new_token_is_kept_even_if_all_before_it_is_damaged) {
    change("UPDATE record SET name = zeroblob(length(name))");
    const std::uint64_t newest = std::stoull(generation(1));
    auto store = open();
    BOOST_CHECK(refusal(store->find_login(alice())).code == Errc::Protocol);
    BOOST_TEST(must(store->put_renewal(alice(), renewal(newest, "third", time.wall() + 2h))) ==
               newest + 1);
    BOOST_TEST(token_of(*store, alice()) == "third");
}

BOOST_AUTO_TEST_CASE(a_damaged_login_is_listed_as_such_and_the_others_are_not_touched) {
    change("UPDATE record SET name = zeroblob(length(name)) WHERE id IN (1, 7)");
    auto store = open();
    const auto page = must(store->list("", 10));
    BOOST_REQUIRE(page.logins.size() == 2U);
    BOOST_TEST(!page.logins[0].readable);
    BOOST_TEST(page.logins[0].provider == "contoso");
    BOOST_TEST(page.logins[0].account.empty());
    BOOST_TEST(page.logins[1].readable);
    const auto dump = must(store->read_logins("", 10));
    BOOST_REQUIRE(dump.logins.size() == 1U);
    BOOST_TEST(dump.logins[0].name.account == bob().account);
    BOOST_REQUIRE(dump.unreadable.size() == 1U);
    BOOST_TEST(contains(dump.unreadable[0], "damaged"));
    const Error error = refusal(store->find_login(alice()));
    BOOST_CHECK(error.code == Errc::Protocol);
    BOOST_TEST(contains(error.context, "damaged or not where it was written"));
}

struct Exchange {
    const char* name;
    int one;
    int other;
    const char* columns;
};
std::ostream& operator<<(std::ostream& out, const Exchange& row) { return out << row.name; }
const Exchange kLoginExchanges[] = {
    {"tokens of two accounts", 1, 4, "secret"},
    {"names of two accounts", 1, 4, "name"},
    {"all that is sealed", 1, 4, "name, secret"},
    {"all that is sealed, with its generation", 1, 4, "name, secret, generation, key_id"},
    {"the token of the generation before", 1, 7, "secret"},
    {"all of the generation before but its number", 1, 7, "name, secret"},
    {"an access token for a refresh token", 1, 2, "secret"},
    {"an access token with its name and number", 1, 2, "name, secret, generation"},
};

BOOST_DATA_TEST_CASE(what_was_exchanged_does_not_open,
                     boost::unit_test::data::make(kLoginExchanges), row) {
    change("DELETE FROM record WHERE id = 8");  // bob has no insurance
    if (row.other != 7) {
        change("DELETE FROM record WHERE id = 7");
    }
    exchange(row.one, row.other, row.columns);
    auto store = open();
    const auto found = store->find_login(alice());
    BOOST_REQUIRE(!found);
    BOOST_CHECK(found.error().code == Errc::Protocol);
    if (row.other == 4) {
        BOOST_CHECK(refusal(store->find_login(bob())).code == Errc::Protocol);
    } else {
        BOOST_TEST(token_of(*store, bob()) == "second of bob@contoso.test");
    }
}

const Exchange kAccessExchanges[] = {
    {"two resources", 2, 3, "name, secret, generation"},
    {"two accounts", 2, 5, "name, secret, generation"},
    {"two accounts' tokens", 2, 5, "secret"},
};

BOOST_DATA_TEST_CASE(an_access_token_of_another_place_does_not_open,
                     boost::unit_test::data::make(kAccessExchanges), row) {
    exchange(row.one, row.other, row.columns);
    BOOST_CHECK(refusal(open()->find_access(alice(), Resource::Smtp)).code == Errc::Protocol);
}

BOOST_AUTO_TEST_CASE(what_is_in_clear_cannot_be_changed_where_it_matters) {
    const std::string newest = generation(4);
    for (const char* sql : {"UPDATE record SET provider = 'fabrikam' WHERE id = 4",
                            "UPDATE record SET generation = generation + 7 WHERE id = 4"}) {
        change("UPDATE record SET slot = 'x' WHERE id = 8 AND slot = 'previous'");
        change(sql);
        const auto found = open()->find_login(bob());
        BOOST_TEST(!found.has_value(), sql);
        change("UPDATE record SET slot = 'previous', provider = 'contoso' WHERE id = 8");
        change("UPDATE record SET provider = 'contoso', generation = " + newest + " WHERE id = 4");
        BOOST_TEST(token_of(*open(), bob()) == "second of bob@contoso.test");
    }
    // Rows under each other's slot: the newer generation stays the newest.
    change("UPDATE record SET slot = 'x' WHERE id = 4");
    change("UPDATE record SET slot = 'refresh' WHERE id = 8");
    change("UPDATE record SET slot = 'previous' WHERE id = 4");
    BOOST_TEST(token_of(*open(), bob()) == "second of bob@contoso.test");
}

BOOST_AUTO_TEST_CASE(the_row_of_one_account_is_not_found_in_the_place_of_another) {
    change("DELETE FROM record WHERE id IN (4, 8)");
    const std::string place = "(SELECT place FROM record WHERE id = 5)";
    change("UPDATE record SET place = " + place + " WHERE id = 1");
    auto store = open();
    BOOST_CHECK(refusal(store->find_login(bob())).code == Errc::Protocol);
}

BOOST_AUTO_TEST_CASE(what_was_replaced_is_in_no_file_after_a_checkpoint) {
    const std::string replaced =
        RawDatabase(path()).value("SELECT secret FROM record WHERE id = 7");
    const std::string forgotten =
        RawDatabase(path()).value("SELECT secret FROM record WHERE id = 4");
    BOOST_REQUIRE(contains(all_files(), std::string_view(replaced).substr(60, 30)));
    BOOST_REQUIRE(contains(all_files(), std::string_view(forgotten).substr(60, 30)));
    {
        auto store = open();
        (void)must(store->put_renewal(
            alice(), renewal(generation_of(*store, alice()), "third", time.wall() + 2h)));
        BOOST_TEST(must(store->forget(bob())));
        // forget() empties the log at once.
        BOOST_TEST(!contains(all_files(), std::string_view(forgotten).substr(60, 30)));
    }
    BOOST_TEST(!contains(all_files(), std::string_view(replaced).substr(60, 30)));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
