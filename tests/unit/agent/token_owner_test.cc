// SPDX-License-Identifier: Apache-2.0
// Tokens that belong to an account: they are kept apart, and do not pile up.
#include <boost/test/unit_test.hpp>

#include "tests/unit/agent/token_keeper_fixture.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace std::chrono_literals;
using protocol::FailureClass;
using protocol::FailureCode;
using protocol::RejectedAction;

struct OwnerRoom : KeeperRoom {
    static TokenWish wish_of(const std::string& account, Resource resource = Resource::Smtp) {
        TokenWish result = wish();
        result.grant = Grant::Delegated;
        result.account = account;
        result.resource = resource;
        return result;
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(token_owner_test, OwnerRoom)

BOOST_AUTO_TEST_CASE(each_account_and_the_application_have_their_own) {
    const auto alice = get(wish_of("alice@contoso.com"));
    const auto bob = get(wish_of("bob@contoso.com"));
    const auto graph = get(wish_of("alice@contoso.com", Resource::Graph));
    const auto app = get();
    BOOST_REQUIRE(source.waiting() == 4U);
    BOOST_TEST(source.asked()[0].account == "alice@contoso.com");
    BOOST_TEST(source.asked()[3].account.empty());
    for (const char* token : {"alice", "bob", "graph", "app"}) {
        source.give(token);
    }
    BOOST_TEST(alice->token() == "alice");
    BOOST_TEST(bob->token() == "bob");
    BOOST_TEST(graph->token() == "graph");
    BOOST_TEST(app->token() == "app");
    BOOST_TEST(get(wish_of("bob@contoso.com"))->token() == "bob");
    BOOST_TEST(keeper->status_of("contoso", "alice@contoso.com").size() == 2U);
    BOOST_TEST(keeper->status_of("contoso", "").size() == 1U);
    BOOST_TEST(log.count("event=token_refreshed account=bob@contoso.com") == 1U);
}

BOOST_AUTO_TEST_CASE(many_callers_of_one_account_share_a_request) {
    std::vector<Shown> callers;
    for (int i = 0; i < 20; ++i) {
        callers.push_back(get(wish_of("alice@contoso.com")));
    }
    BOOST_TEST(source.waiting() == 1U);
    source.give("one");
    for (const Shown& caller : callers) {
        BOOST_TEST(caller->token() == "one");
    }
}

BOOST_AUTO_TEST_CASE(one_account_s_trouble_is_not_another_s) {
    const auto alice = get(wish_of("alice@contoso.com"));
    source.fail(FailureClass::NeedsUser, FailureCode::InvalidGrant);
    const auto bob = get(wish_of("bob@contoso.com"));
    source.give("bob");
    BOOST_TEST(alice->failed(FailureClass::NeedsUser, FailureCode::InvalidGrant));
    BOOST_TEST(bob->token() == "bob");
}

BOOST_AUTO_TEST_CASE(names_without_a_login_leave_nothing_behind) {
    for (int i = 0; i < 1000; ++i) {
        (void)get(wish_of("nobody" + std::to_string(i) + "@contoso.com"));
        source.fail(FailureClass::NeedsUser, FailureCode::NotLoggedIn);
    }
    BOOST_TEST(keeper->status().empty());
    BOOST_TEST(time.pending() == 0U);
    BOOST_TEST(log.lines().empty());
}

BOOST_AUTO_TEST_CASE(an_account_that_nobody_uses_is_forgotten_with_its_token) {
    (void)get(wish_of("alice@contoso.com"));
    source.give("alice");
    BOOST_TEST(keeper->status().size() == 1U);
    for (int hour = 0; hour < 24 * 8 && source.waiting() < 2; ++hour) {
        time.advance(1h);
        if (source.waiting() > 0) {
            source.give("again");
        }
    }
    BOOST_TEST(keeper->status().empty());
    BOOST_TEST(time.pending() == 0U);
}

BOOST_AUTO_TEST_CASE(a_new_login_cures_at_once) {
    const auto before = get(wish_of("alice@contoso.com"));
    source.fail(FailureClass::NeedsUser, FailureCode::InvalidGrant);
    BOOST_TEST(before->failed(FailureClass::NeedsUser, FailureCode::InvalidGrant));
    keeper->account_changed("contoso", "alice@contoso.com");
    const auto after = get(wish_of("alice@contoso.com"));
    BOOST_REQUIRE(source.waiting() == 1U);
    BOOST_TEST(source.asked().back().may_restore);  // the login has left a token in the store
    source.give("new");
    BOOST_TEST(after->token() == "new");
}

BOOST_AUTO_TEST_CASE(an_answer_to_the_login_before_is_dropped) {
    const auto caller = get(wish_of("alice@contoso.com"));
    keeper->account_changed("contoso", "alice@contoso.com");
    BOOST_REQUIRE(source.waiting() == 2U);  // the caller waits for the new one
    source.give("old");
    BOOST_TEST(caller->calls == 0);
    source.give("new");
    BOOST_TEST(caller->token() == "new");
}

BOOST_AUTO_TEST_CASE(a_refused_token_is_told_to_the_source) {
    (void)get(wish_of("alice@contoso.com"));
    source.give("alice");
    const std::string fingerprint = keeper->status().at(0).fingerprint;
    TokenOwner owner = wish_of("alice@contoso.com");
    BOOST_TEST((keeper->rejected(owner, "00000000") == RejectedAction::Stale));
    BOOST_TEST((keeper->rejected(owner, fingerprint) == RejectedAction::Refreshed));
    BOOST_REQUIRE(source.refused().size() == 1U);
    BOOST_TEST(source.refused().front() == "alice@contoso.com");
    owner.account = "nobody@contoso.com";
    BOOST_TEST((keeper->rejected(owner, fingerprint) == RejectedAction::Stale));
    BOOST_TEST(keeper->status().size() == 1U);  // a report makes no entry
}

BOOST_AUTO_TEST_CASE(a_renewal_says_whether_it_may_wait) {
    (void)get(wish_of("alice@contoso.com"));
    BOOST_TEST(!source.asked().back().can_wait);
    source.give("alice");
    time.advance(59min);
    (void)get(wish_of("alice@contoso.com"));
    BOOST_TEST(source.asked().back().can_wait);
    BOOST_TEST(!source.asked().back().may_restore);
}

BOOST_AUTO_TEST_CASE(a_token_from_the_store_has_only_what_is_left) {
    const auto caller = get(wish_of("alice@contoso.com"));
    FetchedToken fetched;
    fetched.access_token = Secret("restored");
    fetched.expires_in = 3600s;
    fetched.age = 1000s;
    source.answer(std::move(fetched));
    BOOST_TEST(caller->token() == "restored");
    BOOST_TEST((caller->left() == 2600s));
    BOOST_TEST(log.count("event=token_restored") == 1U);
}

BOOST_AUTO_TEST_SUITE_END()
