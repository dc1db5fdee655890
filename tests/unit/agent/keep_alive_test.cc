// SPDX-License-Identifier: Apache-2.0
#include "token-agent/keep_alive.hh"

#include <boost/test/unit_test.hpp>
#include <optional>

#include "tests/support/capture_log.hh"
#include "tests/support/manual_time.hh"
#include "tests/support/memory_store.hh"
#include "tests/support/scripted_source.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace std::chrono_literals;
using protocol::FailureClass;
using protocol::FailureCode;

struct Room {
    Room() {
        ProviderConfig provider;
        provider.name = "contoso";
        provider.client_id = "client";
        config->providers.push_back(std::move(provider));
    }
    void login(const std::string& account, std::chrono::hours unused,
               const std::string& provider = "contoso") {
        test::MemoryStore::Login& login = store.logins[{provider, account}];
        login.client_id = "client";
        login.token = "rt";
        login.generation = 1;
        login.used_at = time.wall() - unused;
    }
    void used(const std::string& account) {
        store.logins[{"contoso", account}].used_at = time.wall();
    }
    void start() {
        keep_alive.emplace(KeepAlive::Services{queue, source, time, time, log}, config);
    }

    std::shared_ptr<AgentConfig> config = std::make_shared<AgentConfig>();
    test::ManualTime time;
    test::MemoryStore store;
    test::ManualQueue queue{store, time};
    test::ScriptedSource source;
    test::CaptureLog log;
    std::optional<KeepAlive> keep_alive;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(keep_alive_test, Room)

BOOST_AUTO_TEST_CASE(what_was_unused_for_a_day_is_used_one_at_a_time) {
    login("a@contoso.com", 25h);
    login("b@contoso.com", 23h);
    login("c@contoso.com", 24h * 80);
    start();
    time.advance(1min);
    BOOST_REQUIRE(source.waiting() == 1U);
    BOOST_TEST(source.asked()[0].can_wait);
    used("a@contoso.com");
    source.give("x");
    BOOST_REQUIRE(source.waiting() == 1U);
    used("c@contoso.com");
    source.give("x");
    BOOST_TEST(source.waiting() == 0U);
    BOOST_TEST(source.asked().size() == 2U);
    BOOST_TEST(log.count("event=login_kept_alive account=c@contoso.com") == 1U);
    time.advance(1h + 1min);  // now b's day is over
    BOOST_REQUIRE(source.waiting() == 1U);
    BOOST_TEST(source.asked()[2].account == "b@contoso.com");
}

BOOST_AUTO_TEST_CASE(over_a_hundred_days_each_login_is_used_daily) {
    login("a@contoso.com", 0h);
    start();
    std::size_t uses = 0;
    for (int step = 0; step < 100 * 24 * 6; ++step) {
        time.advance(10min);
        if (source.waiting() > 0) {
            used("a@contoso.com");
            source.give("x");
            ++uses;
        }
    }
    BOOST_TEST(uses >= 98U);
    BOOST_TEST(uses <= 101U);
}

BOOST_AUTO_TEST_CASE(one_that_needs_its_user_is_probed_every_six_hours_and_hides_nobody) {
    for (int i = 0; i < 150; ++i) {
        login("dead" + std::to_string(1000 + i) + "@contoso.com", 24h * 50);
    }
    login("z-alive@contoso.com", 25h);
    start();
    std::size_t asked = 0;
    bool alive_was_asked = false;
    for (int minute = 0; minute < 60; ++minute) {
        time.advance(1min);
        while (source.waiting() > 0) {
            ++asked;
            if (source.asked().back().account == "z-alive@contoso.com") {
                alive_was_asked = true;
                used("z-alive@contoso.com");
                source.give("x");
            } else {
                source.fail(FailureClass::NeedsUser, FailureCode::InvalidGrant);
            }
        }
    }
    BOOST_TEST(alive_was_asked);
    BOOST_TEST(asked == 151U);
    time.advance(6h);
    BOOST_TEST(source.waiting() == 1U);
}

BOOST_AUTO_TEST_CASE(
    one_provider_s_outage_is_not_asked_about_for_each_login_and_stops_nobody_else) {
    ProviderConfig other;
    other.name = "fabrikam";
    config->providers.push_back(std::move(other));
    for (int i = 0; i < 150; ++i) {
        login("a" + std::to_string(100 + i) + "@contoso.com", 30h);
    }
    login("z@fabrikam.com", 25h, "fabrikam");
    start();
    time.advance(1min);
    for (int i = 0; i < KeepAlive::kOutage; ++i) {
        BOOST_REQUIRE(source.waiting() == 1U);
        source.fail();  // contoso is away
    }
    time.run_due();  // the second page
    BOOST_REQUIRE(source.waiting() == 1U);
    BOOST_TEST(source.asked().back().account == "z@fabrikam.com");
    store.logins[{"fabrikam", "z@fabrikam.com"}].used_at = time.wall();
    source.give("x");
    for (int i = 0; i < 5; ++i) {
        time.advance(10min);
        BOOST_TEST(source.waiting() == 0U);
    }
    time.advance(20min);
    BOOST_REQUIRE(source.waiting() == 1U);
    BOOST_TEST(source.asked().back().account == "a105@contoso.com");  // not the same five again
}

BOOST_AUTO_TEST_CASE(one_sick_login_holds_up_nobody) {
    for (const auto code : {FailureCode::ProviderError, FailureCode::StoreUnwritable}) {
        Room room;
        room.login("a-sick@contoso.com", 30h);
        room.login("b@contoso.com", 29h);
        room.start();
        room.time.advance(1min);
        BOOST_REQUIRE(room.source.waiting() == 1U);
        BOOST_TEST(room.source.asked().back().account == "a-sick@contoso.com");
        room.source.fail(FailureClass::Transient, code);
        BOOST_REQUIRE(room.source.waiting() == 1U);
        BOOST_TEST(room.source.asked().back().account == "b@contoso.com");
    }
}

BOOST_AUTO_TEST_CASE(logins_of_unknown_providers_and_broken_stores_stop_nothing) {
    login("a@gone.test", 25h, "gone");
    login("a@contoso.com", 25h);
    store.read_error = Error{Errc::Unavailable, "locked"};
    start();
    time.advance(1min);
    BOOST_TEST(source.waiting() == 0U);
    store.read_error.reset();
    time.advance(10min);
    BOOST_REQUIRE(source.waiting() == 1U);
    BOOST_TEST(source.asked()[0].account == "a@contoso.com");
    keep_alive.reset();
    source.give("late");  // nobody there
    BOOST_TEST(time.pending() == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
