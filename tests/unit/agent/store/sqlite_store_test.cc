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
    const auto first = must(open()->put_login(alice(), new_login("refresh-1", then)));
    time.advance(1h);
    auto store = open();
    const auto login = must(store->find_login(alice()));
    BOOST_REQUIRE(login.has_value());
    BOOST_TEST(login->refresh_token.reveal() == "refresh-1");
    BOOST_TEST(login->generation == first);
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
    const auto first = must(store->put_login(alice(), new_login("refresh-1", time.wall())));
    time.advance(1h);
    BOOST_TEST(must(store->put_renewal(alice(), renewal(first, "refresh-2", time.wall()))) ==
               first + 1);
    const auto login = must(store->find_login(alice()));
    BOOST_TEST(login->refresh_token.reveal() == "refresh-2");
    BOOST_TEST(login->generation == first + 1);
    BOOST_TEST(login->rotates);
    BOOST_TEST(login->user == "Alice.Liddell@contoso.test");
    BOOST_TEST(login->public_client);
    BOOST_CHECK(login->used_at == time.wall());
    BOOST_CHECK(login->logged_in_at == time.wall() - 1h);
    for (std::uint64_t more = 1; more < 5; ++more) {
        const std::string token = "refresh-" + std::to_string(more + 2);
        (void)must(store->put_renewal(alice(), renewal(first + more, token, time.wall())));
        BOOST_TEST(token_of(*store, alice()) == token);
    }
    store.reset();
    BOOST_TEST(token_of(*open(), alice()) == "refresh-6");
    BOOST_TEST(RawDatabase(path()).value(
                   "SELECT group_concat(slot || (generation - " + std::to_string(first) +
                   ")) FROM record ORDER BY generation") == "refresh5,previous4");
}

BOOST_AUTO_TEST_CASE(a_renewal_without_a_new_refresh_token_keeps_the_generation) {
    auto store = open();
    const auto first = must(store->put_login(alice(), new_login("refresh-1", time.wall())));
    time.advance(1h);
    BOOST_TEST(must(store->put_renewal(alice(), renewal(first, "", time.wall()))) == first);
    const auto login = must(store->find_login(alice()));
    BOOST_TEST(login->refresh_token.reveal() == "refresh-1");
    BOOST_TEST(!login->rotates);
    BOOST_CHECK(login->used_at == time.wall());
    (void)must(store->put_renewal(
        alice(), renewal(generation_of(*store, alice()), "refresh-2", time.wall())));
    BOOST_TEST(must(store->find_login(alice()))->rotates);
    (void)must(
        store->put_renewal(alice(), renewal(generation_of(*store, alice()), "", time.wall())));
    BOOST_TEST(!must(store->find_login(alice()))->rotates);
    BOOST_TEST(token_of(*store, alice()) == "refresh-2");
    (void)must(store->put_login(alice(), new_login("refresh-3", time.wall())));
    BOOST_TEST(must(store->find_login(alice()))->rotates);
}

BOOST_AUTO_TEST_CASE(a_renewal_of_a_generation_that_is_not_the_newest_changes_nothing) {
    auto store = open();
    BOOST_CHECK(refusal(store->put_renewal(
                            alice(), renewal(generation_of(*store, alice()), "x", time.wall())))
                    .code == Errc::Denied);
    const auto first = must(store->put_login(alice(), new_login("refresh-1", time.wall())));
    (void)must(store->put_login(alice(), new_login("other login", time.wall())));
    auto late = renewal(first, "late", time.wall());
    late.access = access_token("late access", time.wall());
    BOOST_CHECK(refusal(store->put_renewal(alice(), late)).code == Errc::Denied);
    BOOST_TEST(token_of(*store, alice()) == "other login");
    BOOST_TEST(!must(store->find_access(alice(), Resource::Smtp)).has_value());
}

BOOST_AUTO_TEST_CASE(a_login_replaces_the_older_one_of_whatever_client_and_its_access_tokens) {
    auto store = open();
    const auto first = must(store->put_login(alice(), new_login("refresh-1", time.wall())));
    must(store->put_access(alice(), Resource::Graph, access_token("access", time.wall())));
    must(store->put_access(bob(), Resource::Graph, access_token("bob's", time.wall())));
    RecordName other = alice();
    other.client_id = "client-2";
    const Error error = refusal(store->find_login(other));
    BOOST_CHECK(error.code == Errc::Denied);
    BOOST_TEST(contains(error.context, "client-1"));
    BOOST_TEST(contains(error.context, "client-2"));
    BOOST_TEST(contains(error.context, "postbearer login alice@contoso.test"));
    BOOST_TEST(must(store->put_login(other, new_login("refresh-2", time.wall()))) == first + 1);
    BOOST_TEST(token_of(*store, other) == "refresh-2");
    BOOST_CHECK(refusal(store->find_login(alice())).code == Errc::Denied);
    BOOST_CHECK(refusal(store->put_renewal(alice(), renewal(first + 1, "x", time.wall()))).code ==
                Errc::Denied);
    BOOST_TEST(token_of(*store, other) == "refresh-2");
    BOOST_TEST(!must(store->find_access(other, Resource::Graph)).has_value());
    BOOST_TEST(must(store->find_access(bob(), Resource::Graph)).has_value());
}

BOOST_AUTO_TEST_CASE(an_attempt_is_remembered_until_it_ends) {
    const auto first = must(open()->put_login(alice(), new_login("refresh-1", time.wall())));
    const WallTime then = time.wall() + 5s;
    must(open()->begin_attempt(alice(), first, then));
    auto store = open();
    BOOST_CHECK(must(store->find_login(alice()))->attempt_at == then);
    must(store->begin_attempt(alice(), first, then + 1h));  // the first without an end is the one
    BOOST_CHECK(must(store->find_login(alice()))->attempt_at == then);
    must(store->end_attempt(alice()));
    BOOST_TEST(!must(store->find_login(alice()))->attempt_at.has_value());
    must(store->begin_attempt(alice(), first, then));
    (void)must(store->put_renewal(alice(), renewal(first, "", then)));
    BOOST_TEST(!must(store->find_login(alice()))->attempt_at.has_value());
    must(store->begin_attempt(alice(), first, then));
    (void)must(store->put_renewal(alice(), renewal(first, "refresh-2", then)));
    BOOST_TEST(!must(store->find_login(alice()))->attempt_at.has_value());
    must(store->begin_attempt(alice(), first + 1, then));
    (void)must(store->put_login(alice(), new_login("refresh-3", then)));
    BOOST_TEST(!must(store->find_login(alice()))->attempt_at.has_value());
    BOOST_CHECK(refusal(store->begin_attempt(alice(), first + 1, then)).code == Errc::Denied);
    BOOST_CHECK(refusal(store->begin_attempt(bob(), first, then)).code == Errc::Denied);
    must(store->end_attempt(bob()));
}

BOOST_AUTO_TEST_CASE(access_tokens_are_kept_per_resource_with_their_times) {
    auto with_access = renewal(0, "refresh-2", time.wall());
    with_access.resource = Resource::Imap;
    with_access.access = access_token("for imap", time.wall());
    with_access.access->refresh_in.reset();
    {
        auto store = open();
        with_access.generation =
            must(store->put_login(alice(), new_login("refresh-1", time.wall())));
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
    (void)must(store->put_renewal(
        alice(), renewal(generation_of(*store, alice()), "refresh-2", time.wall())));
    BOOST_TEST(must(store->forget(alice())));
    BOOST_TEST(!must(store->forget(alice())));
    BOOST_TEST(token_of(*store, alice()).empty());
    BOOST_TEST(!must(store->find_access(alice(), Resource::Smtp)).has_value());
    BOOST_TEST(token_of(*store, bob()) == "refresh of bob@contoso.test");
    BOOST_TEST(must(store->find_access(bob(), Resource::Smtp)).has_value());
    BOOST_TEST(must(store->count_logins()) == 1U);
}

/// An answer that was under way when one user logged out comes when the next has logged in.
BOOST_AUTO_TEST_CASE(what_belongs_to_a_login_that_was_forgotten_is_not_stored_in_a_new_one) {
    auto store = open();
    const auto first = must(store->put_login(alice(), new_login("of the first", time.wall())));
    BOOST_TEST(must(store->forget(alice())));
    const auto second = must(store->put_login(alice(), new_login("of another", time.wall())));
    BOOST_TEST(first != second);
    auto late = renewal(first, "late", time.wall());
    late.access = access_token("late access", time.wall());
    BOOST_CHECK(refusal(store->put_renewal(alice(), late)).code == Errc::Denied);
    BOOST_CHECK(refusal(store->begin_attempt(alice(), first, time.wall())).code == Errc::Denied);
    BOOST_TEST(token_of(*store, alice()) == "of another");
    BOOST_TEST(!must(store->find_access(alice(), Resource::Smtp)).has_value());
    // Far from each other and from where a number of sessions would take them.
    for (const std::uint64_t generation : {first, second}) {
        BOOST_TEST(generation >= 1ULL << 32U);
        BOOST_TEST(generation < 1ULL << 41U);
    }
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
    (void)must(store->put_login(bob(), new_login("b", start - 1h)));
    (void)must(store->put_login(alice(), new_login("a", start - 3h)));
    BOOST_TEST(must(store->unused_since(start - 3h, "", 10)).logins.empty());
    const auto both = must(store->unused_since(start, "", 10));
    BOOST_REQUIRE(both.logins.size() == 2U);
    BOOST_TEST(both.logins[0].account == alice().account);
    BOOST_TEST(both.logins[1].account == bob().account);
    BOOST_TEST(both.next.empty());
    BOOST_TEST(must(store->unused_since(start, "", 1)).logins.size() == 1U);
    (void)must(store->put_renewal(alice(), renewal(generation_of(*store, alice()), "a2", start)));
    const auto left = must(store->unused_since(start, "", 10));
    BOOST_REQUIRE(left.logins.size() == 1U);
    BOOST_TEST(left.logins[0].account == bob().account);
}

BOOST_AUTO_TEST_CASE(the_unused_are_paged_past_those_that_stay_as_they_are) {
    auto store = open();
    const WallTime start = time.wall();
    const auto name = [](int i) {
        RecordName out = alice();
        out.account = std::to_string(i) + "@contoso.test";
        return out;
    };
    for (int i = 0; i < 9; ++i) {  // three of each time, the last first
        (void)must(
            store->put_login(name(i), new_login("x", start - std::chrono::hours(1 + i / 3))));
    }
    std::string seen;
    std::string cursor;
    int pages = 0;
    do {
        const auto page = must(store->unused_since(start, cursor, 2));
        BOOST_REQUIRE(page.logins.size() <= 2U);
        for (const ListedLogin& login : page.logins) {
            seen += login.account.front();
            if (seen.size() % 2 == 0) {  // used now, so that it leaves the listing
                RecordName used = alice();
                used.account = login.account;
                (void)must(store->put_renewal(used, renewal(login.generation, "", start)));
            }
        }
        cursor = page.next;
    } while (!cursor.empty() && ++pages < 9);
    BOOST_TEST(seen == "678345012");
    for (const char* other : {"x", "1", "1:", ":1", "1:2:3", "1:2x", "99999999999999999999:1"}) {
        BOOST_CHECK(refusal(store->unused_since(start, other, 2)).code == Errc::Protocol);
    }
}

BOOST_AUTO_TEST_CASE(what_was_used_in_the_future_counts_as_unused) {
    auto store = open();
    const WallTime start = time.wall();
    (void)must(store->put_login(alice(), new_login("a", start + 61min)));
    (void)must(store->put_login(bob(), new_login("b", start + 59min)));
    const auto page = must(store->unused_since(start - 24h, "", 10));
    BOOST_REQUIRE(page.logins.size() == 1U);
    BOOST_TEST(page.logins[0].account == alice().account);
    BOOST_TEST(must(store->unused_since(start + 240h, "", 10)).logins.size() == 2U);
    time.advance(2h);
    BOOST_TEST(must(store->unused_since(start - 24h, "", 10)).logins.empty());
}

BOOST_AUTO_TEST_CASE(an_imported_login_keeps_its_times) {
    const WallTime now = time.wall();
    NewLogin imported = new_login("imported", now);
    imported.logged_in_at = now - 300h;
    imported.used_at = now - 20h;
    imported.rotates = false;
    (void)must(open()->put_login(alice(), imported));
    auto store = open();
    const auto login = must(store->find_login(alice()));
    BOOST_CHECK(login->logged_in_at == now - 300h);
    BOOST_CHECK(login->used_at == now - 20h);
    BOOST_TEST(!login->rotates);
    BOOST_TEST(must(store->unused_since(now - 19h, "", 9)).logins.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_renewal_may_show_that_the_client_is_a_public_one_or_is_none) {
    auto store = open();
    (void)must(store->put_login(alice(), new_login("refresh-1", time.wall())));
    const auto renew = [&](const std::string& token, std::optional<bool> public_client) {
        auto next = renewal(generation_of(*store, alice()), token, time.wall());
        next.public_client = public_client;
        (void)must(store->put_renewal(alice(), next));
        return must(store->find_login(alice()))->public_client;
    };
    BOOST_TEST(renew("", std::nullopt));
    BOOST_TEST(!renew("", false));
    BOOST_TEST(token_of(*store, alice()) == "refresh-1");
    BOOST_TEST(must(store->find_login(alice()))->user == "Alice.Liddell@contoso.test");
    BOOST_TEST(!renew("", std::nullopt));
    BOOST_TEST(renew("refresh-2", true));
    BOOST_TEST(renew("refresh-3", std::nullopt));
    BOOST_TEST(!renew("refresh-4", false));
    store = nullptr;
    store = open();
    BOOST_TEST(!must(store->find_login(alice()))->public_client);
    BOOST_TEST(token_of(*store, alice()) == "refresh-4");
}

BOOST_AUTO_TEST_CASE(a_dump_holds_the_tokens_and_what_is_needed_to_use_them) {
    auto store = open();
    RecordName other = bob();
    other.client_id = "client-2";
    (void)must(store->put_login(alice(), new_login("refresh-1", time.wall())));
    (void)must(store->put_renewal(
        alice(), renewal(generation_of(*store, alice()), "refresh-2", time.wall() + 1h)));
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
