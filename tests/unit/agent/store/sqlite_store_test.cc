// SPDX-License-Identifier: Apache-2.0
// What is put in is found again, across a restart and generation by generation.
#include "tests/unit/agent/store/store_room.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace postbearer::test;
using namespace std::chrono_literals;
using protocol::Resource;

BOOST_FIXTURE_TEST_SUITE(sqlite_store_test, StoreRoom)

BOOST_AUTO_TEST_CASE(a_login_is_found_after_a_restart_with_all_that_was_said_of_it) {
    const WallTime then = time.wall();
    BOOST_TEST(must(open()->put_login(alice(), new_login("refresh-1", then))) == 1U);
    time.advance(1h);
    auto store = open();
    const auto login = must(store->find_login(alice()));
    BOOST_REQUIRE(login.has_value());
    BOOST_TEST(login->refresh_token.reveal() == "refresh-1");
    BOOST_TEST(login->generation == 1U);
    BOOST_TEST(login->user == "Alice.Liddell@contoso.test");
    BOOST_TEST(login->public_client);
    BOOST_TEST(login->rotates);  // until an answer says otherwise
    BOOST_TEST(!login->previous);
    BOOST_TEST(!login->attempt_at.has_value());
    BOOST_CHECK(login->logged_in_at == then);
    BOOST_CHECK(login->used_at == then);
    BOOST_TEST(token_of(*store, bob()).empty());
    BOOST_TEST(must(store->count_logins()) == 1U);
}

BOOST_AUTO_TEST_CASE(a_new_refresh_token_is_the_next_generation) {
    auto store = open();
    (void)must(store->put_login(alice(), new_login("refresh-1", time.wall())));
    time.advance(1h);
    BOOST_TEST(must(store->put_renewal(alice(), renewal(1, "refresh-2", time.wall()))) == 2U);
    const auto login = must(store->find_login(alice()));
    BOOST_TEST(login->refresh_token.reveal() == "refresh-2");
    BOOST_TEST(login->generation == 2U);
    BOOST_TEST(login->rotates);
    BOOST_TEST(login->user == "Alice.Liddell@contoso.test");
    BOOST_TEST(login->public_client);
    BOOST_CHECK(login->used_at == time.wall());
    BOOST_CHECK(login->logged_in_at == time.wall() - 1h);
    for (std::uint64_t generation = 2; generation < 6; ++generation) {
        const std::string token = "refresh-" + std::to_string(generation + 1);
        (void)must(store->put_renewal(alice(), renewal(generation, token, time.wall())));
        BOOST_TEST(token_of(*store, alice()) == token);
    }
    store.reset();
    BOOST_TEST(token_of(*open(), alice()) == "refresh-6");
    BOOST_TEST(RawDatabase(path()).value("SELECT group_concat(slot || generation) FROM record"
                                         " ORDER BY generation") == "refresh6,previous5");
}

BOOST_AUTO_TEST_CASE(a_renewal_without_a_new_refresh_token_keeps_the_generation) {
    auto store = open();
    (void)must(store->put_login(alice(), new_login("refresh-1", time.wall())));
    time.advance(1h);
    BOOST_TEST(must(store->put_renewal(alice(), renewal(1, "", time.wall()))) == 1U);
    const auto login = must(store->find_login(alice()));
    BOOST_TEST(login->refresh_token.reveal() == "refresh-1");
    BOOST_TEST(!login->rotates);
    BOOST_CHECK(login->used_at == time.wall());
    (void)must(store->put_renewal(alice(), renewal(1, "refresh-2", time.wall())));
    BOOST_TEST(must(store->find_login(alice()))->rotates);
    (void)must(store->put_renewal(alice(), renewal(2, "", time.wall())));
    BOOST_TEST(!must(store->find_login(alice()))->rotates);
    BOOST_TEST(token_of(*store, alice()) == "refresh-2");
    (void)must(store->put_login(alice(), new_login("refresh-3", time.wall())));
    BOOST_TEST(must(store->find_login(alice()))->rotates);
}

BOOST_AUTO_TEST_CASE(a_renewal_of_a_generation_that_is_not_the_newest_changes_nothing) {
    auto store = open();
    BOOST_CHECK(refusal(store->put_renewal(alice(), renewal(1, "x", time.wall()))).code ==
                Errc::Denied);
    (void)must(store->put_login(alice(), new_login("refresh-1", time.wall())));
    (void)must(store->put_login(alice(), new_login("other login", time.wall())));
    auto late = renewal(1, "late", time.wall());
    late.access = access_token("late access", time.wall());
    BOOST_CHECK(refusal(store->put_renewal(alice(), late)).code == Errc::Denied);
    BOOST_TEST(token_of(*store, alice()) == "other login");
    BOOST_TEST(!must(store->find_access(alice(), Resource::Smtp)).has_value());
}

BOOST_AUTO_TEST_CASE(a_login_replaces_the_older_one_of_whatever_client_and_its_access_tokens) {
    auto store = open();
    (void)must(store->put_login(alice(), new_login("refresh-1", time.wall())));
    must(store->put_access(alice(), Resource::Graph, access_token("access", time.wall())));
    must(store->put_access(bob(), Resource::Graph, access_token("bob's", time.wall())));
    RecordName other = alice();
    other.client_id = "client-2";
    const Error error = refusal(store->find_login(other));
    BOOST_CHECK(error.code == Errc::Denied);
    BOOST_TEST(contains(error.context, "client-1"));
    BOOST_TEST(contains(error.context, "client-2"));
    BOOST_TEST(contains(error.context, "postbearer login alice@contoso.test"));
    BOOST_TEST(must(store->put_login(other, new_login("refresh-2", time.wall()))) == 2U);
    BOOST_TEST(token_of(*store, other) == "refresh-2");
    BOOST_CHECK(refusal(store->find_login(alice())).code == Errc::Denied);
    BOOST_CHECK(refusal(store->put_renewal(alice(), renewal(2, "x", time.wall()))).code ==
                Errc::Denied);
    BOOST_TEST(token_of(*store, other) == "refresh-2");
    BOOST_TEST(!must(store->find_access(other, Resource::Graph)).has_value());
    BOOST_TEST(must(store->find_access(bob(), Resource::Graph)).has_value());
}

BOOST_AUTO_TEST_CASE(an_attempt_is_remembered_until_it_ends) {
    (void)must(open()->put_login(alice(), new_login("refresh-1", time.wall())));
    const WallTime then = time.wall() + 5s;
    must(open()->begin_attempt(alice(), 1, then));
    auto store = open();
    BOOST_CHECK(must(store->find_login(alice()))->attempt_at == then);
    must(store->begin_attempt(alice(), 1, then + 1h));  // the first without an end is the one
    BOOST_CHECK(must(store->find_login(alice()))->attempt_at == then);
    must(store->end_attempt(alice()));
    BOOST_TEST(!must(store->find_login(alice()))->attempt_at.has_value());
    must(store->begin_attempt(alice(), 1, then));
    (void)must(store->put_renewal(alice(), renewal(1, "", then)));
    BOOST_TEST(!must(store->find_login(alice()))->attempt_at.has_value());
    must(store->begin_attempt(alice(), 1, then));
    (void)must(store->put_renewal(alice(), renewal(1, "refresh-2", then)));
    BOOST_TEST(!must(store->find_login(alice()))->attempt_at.has_value());
    must(store->begin_attempt(alice(), 2, then));
    (void)must(store->put_login(alice(), new_login("refresh-3", then)));
    BOOST_TEST(!must(store->find_login(alice()))->attempt_at.has_value());
    BOOST_CHECK(refusal(store->begin_attempt(alice(), 2, then)).code == Errc::Denied);
    BOOST_CHECK(refusal(store->begin_attempt(bob(), 1, then)).code == Errc::Denied);
    must(store->end_attempt(bob()));
}

BOOST_AUTO_TEST_CASE(access_tokens_are_kept_per_resource_with_their_times) {
    auto with_access = renewal(1, "refresh-2", time.wall());
    with_access.resource = Resource::Imap;
    with_access.access = access_token("for imap", time.wall());
    with_access.access->refresh_in.reset();
    {
        auto store = open();
        (void)must(store->put_login(alice(), new_login("refresh-1", time.wall())));
        (void)must(store->put_renewal(alice(), with_access));
        must(store->put_access(alice(), Resource::Smtp, access_token("older", time.wall())));
        must(
            store->put_access(alice(), Resource::Smtp, access_token("for smtp", time.wall() + 9s)));
    }
    auto store = open();
    const auto imap = must(store->find_access(alice(), Resource::Imap));
    BOOST_TEST(imap->token.reveal() == "for imap");
    BOOST_TEST(!imap->refresh_in.has_value());
    const auto smtp = must(store->find_access(alice(), Resource::Smtp));
    BOOST_TEST(smtp->token.reveal() == "for smtp");
    BOOST_TEST(smtp->token_type == "Bearer");
    BOOST_CHECK(smtp->issued_at == time.wall() + 9s);
    BOOST_CHECK(smtp->life == 1h);
    BOOST_CHECK(smtp->refresh_in == 30min);
    BOOST_TEST(!must(store->find_access(alice(), Resource::Graph)).has_value());
    must(store->drop_access(alice(), Resource::Smtp));
    BOOST_TEST(!must(store->find_access(alice(), Resource::Smtp)).has_value());
    BOOST_TEST(must(store->find_access(alice(), Resource::Imap)).has_value());
    RecordName other = alice();
    other.client_id = "client-2";
    BOOST_TEST(!must(store->find_access(other, Resource::Imap)).has_value());
    BOOST_TEST(must(store->count_logins()) == 1U);
}

BOOST_AUTO_TEST_CASE(the_tokens_of_the_application_have_no_account) {
    const RecordName application{"contoso", "", "client-1"};
    auto store = open();
    must(store->put_access(application, Resource::Graph, access_token("app", time.wall())));
    BOOST_TEST(must(store->find_access(application, Resource::Graph))->token.reveal() == "app");
    BOOST_TEST(!must(store->find_login(application)).has_value());
    BOOST_TEST(must(store->list("", 10)).logins.empty());
}

BOOST_AUTO_TEST_CASE(what_is_forgotten_is_gone_and_nobody_else) {
    auto store = open();
    for (const RecordName& name : {alice(), bob()}) {
        (void)must(store->put_login(name, new_login("refresh of " + name.account, time.wall())));
        must(store->put_access(name, Resource::Smtp, access_token("access", time.wall())));
    }
    (void)must(store->put_renewal(alice(), renewal(1, "refresh-2", time.wall())));
    BOOST_TEST(must(store->forget(alice())));
    BOOST_TEST(!must(store->forget(alice())));
    BOOST_TEST(token_of(*store, alice()).empty());
    BOOST_TEST(!must(store->find_access(alice(), Resource::Smtp)).has_value());
    BOOST_TEST(token_of(*store, bob()) == "refresh of bob@contoso.test");
    BOOST_TEST(must(store->find_access(bob(), Resource::Smtp)).has_value());
    BOOST_TEST(must(store->count_logins()) == 1U);
}

BOOST_AUTO_TEST_CASE(one_account_at_two_providers_is_two_logins) {
    auto store = open();
    RecordName there = alice();
    there.provider = "fabrikam";
    (void)must(store->put_login(alice(), new_login("here", time.wall())));
    (void)must(store->put_login(there, new_login("there", time.wall())));
    BOOST_TEST(token_of(*store, alice()) == "here");
    BOOST_TEST(token_of(*store, there) == "there");
}

BOOST_AUTO_TEST_CASE(a_listing_is_paged_and_keeps_its_order_while_tokens_rotate) {
    auto store = open();
    for (int i = 0; i < 7; ++i) {
        RecordName name = alice();
        name.account = "user" + std::to_string(i) + "@contoso.test";
        (void)must(store->put_login(name, new_login("refresh", time.wall())));
    }
    std::vector<std::string> seen;
    std::string cursor;
    int pages = 0;
    do {
        const auto page = must(store->list(cursor, 3));
        for (const ListedLogin& login : page.logins) {
            BOOST_TEST(login.readable);
            BOOST_TEST(login.provider == "contoso");
            BOOST_TEST(login.client_id == "client-1");
            BOOST_TEST(login.user == "Alice.Liddell@contoso.test");
            seen.push_back(login.account);
            RecordName name = alice();
            name.account = login.account;
            (void)must(store->put_renewal(name, renewal(login.generation, "rotated", time.wall())));
        }
        cursor = page.next;
        ++pages;
    } while (!cursor.empty());
    BOOST_TEST(pages == 3);
    BOOST_REQUIRE(seen.size() == 7U);
    for (std::size_t i = 0; i < seen.size(); ++i) {
        BOOST_TEST(seen[i] == "user" + std::to_string(i) + "@contoso.test");
    }
    BOOST_CHECK(!store->list("first", 3));
}

BOOST_AUTO_TEST_CASE(what_was_not_used_for_long_is_listed_the_oldest_first) {
    auto store = open();
    const WallTime start = time.wall();
    (void)must(store->put_login(bob(), new_login("b", start + 2h)));
    (void)must(store->put_login(alice(), new_login("a", start)));
    BOOST_TEST(must(store->unused_since(start, 10)).empty());
    const auto both = must(store->unused_since(start + 3h, 10));
    BOOST_REQUIRE(both.size() == 2U);
    BOOST_TEST(both[0].account == alice().account);
    BOOST_TEST(both[1].account == bob().account);
    BOOST_TEST(must(store->unused_since(start + 3h, 1)).size() == 1U);
    (void)must(store->put_renewal(alice(), renewal(1, "a2", start + 4h)));
    const auto left = must(store->unused_since(start + 3h, 10));
    BOOST_REQUIRE(left.size() == 1U);
    BOOST_TEST(left[0].account == bob().account);
}

BOOST_AUTO_TEST_CASE(a_dump_holds_the_tokens_and_what_is_needed_to_use_them) {
    auto store = open();
    RecordName other = bob();
    other.client_id = "client-2";
    (void)must(store->put_login(alice(), new_login("refresh-1", time.wall())));
    (void)must(store->put_renewal(alice(), renewal(1, "refresh-2", time.wall() + 1h)));
    (void)must(store->put_login(other, new_login("refresh of bob", time.wall())));
    const auto first = must(store->read_logins("", 1));
    BOOST_REQUIRE(first.logins.size() == 1U);
    const DumpedLogin& login = first.logins[0];
    BOOST_TEST(login.name.provider == "contoso");
    BOOST_TEST(login.name.account == alice().account);
    BOOST_TEST(login.name.client_id == "client-1");
    BOOST_TEST(login.refresh_token.reveal() == "refresh-2");
    BOOST_TEST(login.user == "Alice.Liddell@contoso.test");
    BOOST_TEST(login.public_client);
    BOOST_TEST(login.rotates);
    BOOST_CHECK(login.logged_in_at == time.wall());
    BOOST_CHECK(login.used_at == time.wall() + 1h);
    const auto second = must(store->read_logins(first.next, 5));
    BOOST_REQUIRE(second.logins.size() == 1U);
    BOOST_TEST(second.logins[0].name.client_id == "client-2");
    BOOST_TEST(second.next.empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
