// SPDX-License-Identifier: Apache-2.0
#include "token-agent/stored_tokens.hh"

#include <boost/test/unit_test.hpp>
#include <optional>

#include "tests/support/capture_log.hh"
#include "tests/support/manual_time.hh"
#include "tests/support/memory_store.hh"
#include "tests/support/scripted_source.hh"
#include "token-agent/providers.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace std::chrono_literals;
using protocol::FailureClass;
using protocol::FailureCode;
using std::chrono::seconds;

const std::pair<test::MemoryStore::Place, Resource> kSlot{{"contoso", ""}, Resource::Smtp};

struct Room {
    Room() {
        ProviderConfig provider;
        provider.name = "contoso";
        provider.type = ProviderType::Microsoft;
        provider.client_id = "client";
        config->providers.push_back(std::move(provider));
    }
    std::shared_ptr<std::optional<FetchResult>> fetch(bool may_restore = true) {
        FetchWish wish;
        wish.config = config;
        wish.may_restore = may_restore;
        auto shown = std::make_shared<std::optional<FetchResult>>();
        source.fetch(std::move(wish), [shown](FetchResult result) {
            BOOST_TEST(!shown->has_value());
            shown->emplace(std::move(result));
        });
        time.run_due();
        return shown;
    }
    /// As an agent before this one left it.
    void stored(seconds age, seconds life = 3600s, const std::string& scope = "") {
        StoredAccess access;
        access.token = Secret("stored");
        access.issued_at = time.wall() - age;
        access.life = life;
        access.scope = scope.empty() ? token_identity(config->providers[0], Resource::Smtp,
                                                      Grant::ClientCredentials)
                                     : scope;
        BOOST_REQUIRE(store.put_access({"contoso", "", "client"}, Resource::Smtp, access));
    }
    static std::string token(const std::shared_ptr<std::optional<FetchResult>>& shown) {
        return *shown && **shown ? std::string((**shown)->access_token.reveal()) : "none";
    }

    std::shared_ptr<AgentConfig> config = std::make_shared<AgentConfig>();
    test::ManualTime time;
    test::MemoryStore store;
    test::ManualQueue queue{store, time};
    test::ScriptedSource inner;
    test::CaptureLog log;
    StoredTokens source{{inner, queue, time, log}};
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(stored_tokens_test, Room)

BOOST_AUTO_TEST_CASE(what_a_grant_brings_is_stored) {
    const auto shown = fetch();
    inner.give("fresh");
    BOOST_TEST(token(shown) == "fresh");
    BOOST_TEST(store.access[kSlot] == "fresh");
    BOOST_TEST((store.lives[kSlot].second == 3600s));
}

BOOST_AUTO_TEST_CASE(a_young_one_is_served_without_a_request) {
    stored(600s);
    const auto shown = fetch();
    BOOST_TEST(token(shown) == "stored");
    BOOST_TEST(((**shown)->age == 600s));
    BOOST_TEST(((**shown)->expires_in == 3600s));
    BOOST_TEST(inner.asked().empty());
}

BOOST_AUTO_TEST_CASE(only_the_first_time) {
    stored(600s);
    (void)fetch(false);
    BOOST_TEST(inner.waiting() == 1U);
}

BOOST_AUTO_TEST_CASE(an_old_one_is_the_last_resort_in_an_outage) {
    stored(3000s);
    auto shown = fetch();
    BOOST_REQUIRE(inner.waiting() == 1U);
    inner.fail();
    BOOST_TEST(token(shown) == "stored");
    BOOST_TEST(((**shown)->age == 3000s));
    BOOST_TEST(log.count("event=token_from_store provider=contoso resource=smtp") == 1U);
    shown = fetch();
    inner.give("fresh");
    BOOST_TEST(token(shown) == "fresh");
}

BOOST_AUTO_TEST_CASE(not_where_a_human_must_act_and_not_after_its_end) {
    stored(3000s);
    auto shown = fetch();
    inner.fail(FailureClass::NeedsAdmin, FailureCode::InvalidClient);
    BOOST_TEST(token(shown) == "none");
    for (const seconds age : {3595s, 3600s, 7200s}) {
        stored(age);
        shown = fetch();
        inner.fail();
        BOOST_TEST(token(shown) == "none");
    }
}

BOOST_AUTO_TEST_CASE(a_clock_that_was_set_back_makes_it_useless) {
    stored(-3600s);
    const auto shown = fetch();
    inner.fail();
    BOOST_TEST(token(shown) == "none");
}

BOOST_AUTO_TEST_CASE(one_of_other_scopes_is_not_used) {
    stored(600s, 3600s, "https://elsewhere/.default");
    (void)fetch();
    BOOST_TEST(inner.waiting() == 1U);
}

BOOST_AUTO_TEST_CASE(one_of_another_tenant_is_not_used) {
    stored(600s);
    config->providers[0].tenant = "elsewhere.example";
    (void)fetch();
    BOOST_TEST(inner.waiting() == 1U);
}

BOOST_AUTO_TEST_CASE(a_store_that_cannot_be_read_costs_a_request) {
    store.read_error = Error{Errc::Unavailable, "locked"};
    const auto shown = fetch();
    inner.give("fresh");
    BOOST_TEST(token(shown) == "fresh");
}

BOOST_AUTO_TEST_CASE(a_refused_token_does_not_come_back) {
    stored(600s);
    FetchWish wish;
    wish.config = config;
    source.refused(wish);
    BOOST_TEST(store.access.empty());
    BOOST_TEST(inner.refused().size() == 1U);
}

BOOST_AUTO_TEST_CASE(it_can_be_switched_off) {
    stored(600s);
    store.access[kSlot] = "stored";
    config->store_access_tokens = false;
    const auto shown = fetch();
    inner.give("fresh");
    BOOST_TEST(token(shown) == "fresh");
    BOOST_TEST(store.access[kSlot] == "stored");
}

BOOST_AUTO_TEST_SUITE_END()
