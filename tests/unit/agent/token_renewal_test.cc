// SPDX-License-Identifier: Apache-2.0

// TokenKeeper between the callers: when it renews, how it backs off, what a refusal and a reload
// do (design 4.2, 4.3, 5).

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>

#include "tests/unit/agent/token_keeper_fixture.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace std::chrono_literals;
using protocol::FailureClass;
using protocol::FailureCode;
using protocol::RejectedAction;

BOOST_FIXTURE_TEST_SUITE(token_renewal_test, KeeperRoom)

// ---- renewal ahead of need ----------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(renewal_runs_ahead_and_nobody_waits) {
    stock("first");
    time.advance(2519s);
    BOOST_TEST(source.waiting() == 0U);
    time.advance(1s);
    BOOST_TEST(source.waiting() == 1U);
    BOOST_TEST(get()->token() == "first");
    source.give("second");
    BOOST_TEST(get()->token() == "second");
    time.advance(2520s);
    BOOST_TEST(source.waiting() == 1U);
}

BOOST_AUTO_TEST_CASE(a_busy_day_has_no_caller_that_waits) {
    stock("token 0");
    int tokens = 0;
    for (int minute = 0; minute < 24 * 60; ++minute) {
        time.advance(58s);
        const auto caller = get(wish(minute % 7 == 0 ? 660s : 300s, minute % 5 == 0));
        BOOST_TEST(caller->ok());
        time.advance(2s);
        if (source.waiting() > 0) {
            source.give("token " + std::to_string(++tokens));
        }
    }
    BOOST_TEST(tokens < 40);
    BOOST_TEST(time.pending() == 1U);
}

BOOST_AUTO_TEST_CASE(a_first_larger_wish_moves_the_renewal_of_the_token_at_hand) {
    stock("first");
    BOOST_TEST(get(wish(1800s, true))->ok());
    time.advance(1740s);  // life - 1800 s - 60 s
    BOOST_TEST(source.waiting() == 1U);
    BOOST_TEST(get(wish(1800s, true))->token() == "first");
    source.give("second");
    time.advance(1740s);  // and it is remembered for the next
    BOOST_TEST(source.waiting() == 1U);
}

BOOST_AUTO_TEST_CASE(a_larger_wish_that_comes_late_starts_the_renewal_at_once) {
    stock("first");
    time.advance(1790s);
    BOOST_TEST(get(wish(1800s, true))->token() == "first");
    BOOST_TEST(source.waiting() == 1U);
}

BOOST_AUTO_TEST_CASE(a_large_wish_is_forgotten_after_a_day) {
    stock("first");
    (void)get(wish(1800s, true));
    seconds between_renewals{};
    for (int minute = 0; minute < 26 * 60; ++minute) {
        between_renewals += 60s;
        time.advance(60s);
        (void)get();
        if (source.waiting() > 0) {
            source.give("next");
            BOOST_TEST((between_renewals == (minute < 23 * 60 ? 1740s : between_renewals)));
            if (minute > 25 * 60 + 29) {
                BOOST_TEST((between_renewals == 2520s));
            }
            between_renewals = {};
        }
    }
}

BOOST_AUTO_TEST_CASE(refresh_in_is_followed) {
    const auto caller = get();
    source.give("long-lived", 24h, 12h);
    BOOST_TEST(caller->ok());
    time.advance(12h - 1s);
    BOOST_TEST(source.waiting() == 0U);
    (void)get();
    time.advance(1s);
    BOOST_TEST(source.waiting() == 1U);
}

BOOST_AUTO_TEST_CASE(an_idle_token_is_left_to_expire) {
    AgentConfig config = config_with({"contoso"});
    config.idle_after = 1h;
    open(config);
    stock("first");
    time.advance(30min);
    (void)get();
    time.advance(12min);
    BOOST_TEST(source.waiting() == 1U);  // used within the hour
    source.give("second");
    time.advance(2520s);
    BOOST_TEST(source.waiting() == 1U);
    source.give("third");
    time.advance(10h);
    BOOST_TEST(source.asked().size() == 3U);
    BOOST_TEST(time.pending() == 0U);  // an idle agent sleeps
    const auto caller = get();
    source.give("fourth");
    BOOST_TEST(caller->token() == "fourth");
}

BOOST_AUTO_TEST_CASE(idle_means_longer_than_idle_after) {
    AgentConfig config = config_with({"contoso"});
    config.idle_after = 2520s;
    open(config);
    stock("first");
    time.advance(2520s);
    BOOST_TEST(source.waiting() == 1U);
}

// ---- back-off -----------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_first_hiccup_is_waited_out) {
    const auto caller = get();
    source.fail();
    BOOST_TEST(caller->calls == 0);
    time.advance(1998ms);
    BOOST_TEST(source.asked().size() == 2U);
    source.give("second try");
    BOOST_TEST(caller->token() == "second try");
}

BOOST_AUTO_TEST_CASE(a_longer_outage_is_answered_at_once) {
    const auto caller = get(wish(300s, false, 30s));
    source.fail();
    time.advance(2s);
    source.fail();
    time.advance(4s);
    BOOST_TEST(caller->calls == 0);
    source.fail();
    BOOST_TEST(caller->transient(FailureCode::Network));
    BOOST_TEST(((*caller->answer).error().answer.retry_after == 8s));
    const auto next = get(wish(300s, false, 30s));
    BOOST_TEST(next->transient(FailureCode::Network));
    BOOST_TEST(source.asked().size() == 3U);  // nobody hammers
}

BOOST_AUTO_TEST_CASE(a_hiccup_beyond_the_callers_time_is_answered_at_once) {
    const auto caller = get(wish(300s, false, 1s));
    source.fail();
    BOOST_TEST(caller->transient(FailureCode::Network));
}

BOOST_AUTO_TEST_CASE(a_new_caller_in_a_short_back_off_waits_for_the_next_attempt) {
    (void)get(wish(300s, false, 1s));
    source.fail();
    const auto caller = get();
    BOOST_TEST(caller->calls == 0);
    BOOST_TEST(source.asked().size() == 1U);
    time.advance(2s);
    BOOST_TEST(source.asked().size() == 2U);
    source.give("second try");
    BOOST_TEST(caller->token() == "second try");
}

struct PauseRow {
    const char* name;
    FailureClass failure_class;
    FailureCode code;
    std::optional<seconds> retry_after;
    seconds on_demand;
    seconds background;
};
std::ostream& operator<<(std::ostream& out, const PauseRow& row) { return out << row.name; }
constexpr PauseRow kPauses[] = {
    {"Retry-After", FailureClass::Transient, FailureCode::Throttled, 120s, 120s, 120s},
    {"absurd Retry-After", FailureClass::Transient, FailureCode::Throttled, 86400s, 1h, 1h},
    {"needs_admin", FailureClass::NeedsAdmin, FailureCode::InvalidClient, {}, 60s, 1h},
    {"needs_user", FailureClass::NeedsUser, FailureCode::InvalidGrant, {}, 120s, 6h},
};
BOOST_DATA_TEST_CASE(pauses, boost::unit_test::data::make(kPauses), row) {
    for (const bool somebody_asks : {true, false}) {
        KeeperRoom room;
        const auto caller = room.get();
        room.source.fail(row.failure_class, row.code, row.retry_after);
        BOOST_TEST(caller->failed(row.failure_class, row.code));
        BOOST_TEST(((*caller->answer).error().answer.retry_after == row.on_demand));
        if (somebody_asks) {
            room.time.advance(row.on_demand - 1s);
            const auto early = room.get(wish(300s, false, 500ms));
            BOOST_TEST(early->failed(row.failure_class, row.code));
            BOOST_TEST(room.source.asked().size() == 1U);
            room.time.advance(1s);
            BOOST_TEST(room.get()->calls == 0);
        } else {
            room.time.advance(row.background - 1s);
            BOOST_TEST(room.source.asked().size() == 1U);
            room.time.advance(1s);
        }
        BOOST_TEST(room.source.asked().size() == 2U);
    }
}

BOOST_AUTO_TEST_CASE(an_outage_of_an_hour_is_no_storm) {
    for (int i = 0; i < 3600; ++i) {
        (void)get(wish(300s, false, 0ms));
        if (source.waiting() > 0) {
            source.fail();
        }
        time.advance(1s);
    }
    BOOST_TEST(source.asked().size() < 70U);  // a minute apart once there is no token
    BOOST_TEST(source.asked().size() > 50U);
    (void)get();
    while (source.waiting() == 0) {
        time.advance(1s);
    }
    source.give("at last");
    BOOST_TEST(get()->token() == "at last");
    BOOST_TEST(only_status().failures == 0U);
}

/// A store that cannot be written holds renewals back while the old token lasts, and no longer:
/// the pause after the last of them does not reach beyond its end.
BOOST_AUTO_TEST_CASE(an_unwritable_store_leaves_no_gap) {
    stock("first");
    bool asked_at_the_end = false;
    for (int i = 0; i < 3600 && !asked_at_the_end; ++i) {
        time.advance(1s);
        const Shown shown = get();
        if (source.waiting() > 0 && source.asked().back().can_wait) {
            source.fail(FailureClass::Transient, FailureCode::StoreUnwritable);
        } else if (source.waiting() > 0) {
            source.give("second");
            asked_at_the_end = true;
        }
        BOOST_TEST(shown->ok());
    }
    BOOST_TEST(asked_at_the_end);
    BOOST_TEST(get()->token() == "second");
}

BOOST_AUTO_TEST_CASE(the_first_caller_after_a_pause_waits_and_is_told_the_last_cause) {
    (void)get();
    source.fail(FailureClass::NeedsAdmin, FailureCode::InvalidClient);
    time.advance(60s);
    const auto caller = get();
    BOOST_TEST(caller->calls == 0);
    time.advance(5s);
    BOOST_TEST(caller->failed(FailureClass::NeedsAdmin, FailureCode::InvalidClient));
    BOOST_TEST(!(*caller->answer).error().answer.retry_after.has_value());  // it is under way
    source.give("mended");
    BOOST_TEST(get()->token() == "mended");
}

// ---- an operator's refresh ----------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(refresh_ignores_back_off_and_wants_a_new_token) {
    stock("first");
    const auto caller = refresh();
    BOOST_TEST(caller->calls == 0);  // the good token is not the answer
    source.fail(FailureClass::NeedsAdmin, FailureCode::InvalidClient);
    BOOST_TEST(caller->failed(FailureClass::NeedsAdmin, FailureCode::InvalidClient));
    BOOST_TEST(get()->token() == "first");
    const auto again = refresh();
    BOOST_TEST(source.asked().size() == 3U);
    const auto joined = refresh();
    BOOST_TEST(source.asked().size() == 3U);
    source.give("second");
    BOOST_TEST(again->token() == "second");
    BOOST_TEST(joined->token() == "second");
}

BOOST_AUTO_TEST_CASE(refresh_does_not_wait_out_a_hiccup) {
    const auto caller = refresh();
    source.fail();
    BOOST_TEST(caller->transient(FailureCode::Network));
}

BOOST_AUTO_TEST_CASE(refresh_waits_thirty_seconds) {
    const auto caller = refresh();
    time.advance(30s - 1ms);
    BOOST_TEST(caller->calls == 0);
    time.advance(1ms);
    BOOST_TEST(caller->transient(FailureCode::Timeout));
    source.give("late");
    BOOST_TEST(caller->calls == 1);
}

// ---- rejected -----------------------------------------------------------------------------------

RejectedAction reject(KeeperRoom& room, std::string_view fingerprint) {
    return room.keeper->rejected(TokenOwner{}, fingerprint);
}

BOOST_AUTO_TEST_CASE(a_refused_token_is_replaced) {
    stock("first");
    const std::string fingerprint = only_status().fingerprint;
    BOOST_TEST((reject(*this, fingerprint) == RejectedAction::Refreshed));
    BOOST_TEST(source.waiting() == 1U);
    BOOST_TEST(only_status().set_aside);
    const auto caller = get();
    BOOST_TEST(caller->calls == 0);  // not the refused one
    source.give("second");
    BOOST_TEST(caller->token() == "second");
    BOOST_TEST((reject(*this, fingerprint) == RejectedAction::Stale));
    BOOST_TEST(source.asked().size() == 2U);
}

BOOST_AUTO_TEST_CASE(refusals_count_once_a_minute) {
    stock("first");
    BOOST_TEST((reject(*this, only_status().fingerprint) == RejectedAction::Refreshed));
    BOOST_TEST((reject(*this, only_status().fingerprint) == RejectedAction::RateLimited));
    source.give("second");
    time.advance(60s - 1ms);
    BOOST_TEST((reject(*this, only_status().fingerprint) == RejectedAction::RateLimited));
    BOOST_TEST(get()->token() == "second");  // a limited report changes nothing
    time.advance(1ms);
    BOOST_TEST((reject(*this, only_status().fingerprint) == RejectedAction::Refreshed));
    BOOST_TEST(source.asked().size() == 3U);
}

BOOST_AUTO_TEST_CASE(an_unknown_fingerprint_is_stale_and_does_nothing) {
    BOOST_TEST((reject(*this, "00000000") == RejectedAction::Stale));
    stock("first");
    BOOST_TEST((reject(*this, "00000000") == RejectedAction::Stale));
    TokenOwner graph;
    graph.resource = Resource::Graph;
    BOOST_TEST((keeper->rejected(graph, only_status().fingerprint) == RejectedAction::Stale));
    BOOST_TEST(source.asked().size() == 1U);
    BOOST_TEST(get()->token() == "first");
}

BOOST_AUTO_TEST_CASE(a_set_aside_token_is_better_than_none) {
    stock("first");
    (void)reject(*this, only_status().fingerprint);
    const auto caller = get();
    source.fail(FailureClass::NeedsAdmin, FailureCode::InvalidClient);
    BOOST_TEST(caller->token() == "first");
    BOOST_TEST(!only_status().set_aside);
    BOOST_TEST(get(wish(300s, true))->token() == "first");
}

BOOST_AUTO_TEST_CASE(a_refusal_during_back_off_starts_no_request) {
    stock("first");
    time.advance(2520s);
    source.fail(FailureClass::Transient, FailureCode::Throttled, 600s);
    BOOST_TEST((reject(*this, only_status().fingerprint) == RejectedAction::RateLimited));
    BOOST_TEST(source.asked().size() == 2U);
    BOOST_TEST(!only_status().set_aside);
    BOOST_TEST(get()->token() == "first");
    time.advance(600s);
    BOOST_TEST(source.asked().size() == 3U);
    source.give("second");
    BOOST_TEST(get()->token() == "second");
}

// ---- reload -------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(reload_keeps_the_token_of_an_unchanged_provider) {
    stock("first");
    AgentConfig config = config_with({"another", "contoso"});  // at another index, secret anew
    test::set_client_secret(config.providers[1], "rotated");
    config.providers[1].proxy = "http://proxy.test:3128";
    reload(config);
    TokenWish contoso = wish();
    contoso.provider = 1;
    BOOST_TEST(get(contoso)->token() == "first");
    BOOST_TEST(source.asked().size() == 1U);
    time.advance(2520s);
    BOOST_TEST(source.asked().size() == 2U);  // its timer lives on
    BOOST_TEST(source.asked().back().secret == "rotated");
    BOOST_TEST(source.asked().back().provider == "contoso");
}

struct IdentityRow {
    const char* name;
    void (*change)(ProviderConfig&);
    bool kept;
};
std::ostream& operator<<(std::ostream& out, const IdentityRow& row) { return out << row.name; }
const IdentityRow kIdentities[] = {
    {"nothing", [](ProviderConfig&) {}, true},
    {"secret", [](ProviderConfig& p) { p.credentials.clear(); }, true},
    {"ca_file", [](ProviderConfig& p) { p.ca_file = "/ca.pem"; }, true},
    {"expiry date of the secret",
     [](ProviderConfig& p) { p.credentials[0].secret_expires = std::chrono::sys_days{}; }, true},
    {"scopes of another resource", [](ProviderConfig& p) { p.scopes[3] = {"x"}; }, true},
    {"client_id", [](ProviderConfig& p) { p.client_id += "x"; }, false},
    {"tenant", [](ProviderConfig& p) { p.tenant = "other"; }, false},
    {"cloud", [](ProviderConfig& p) { p.cloud = Cloud::China; }, false},
    {"type", [](ProviderConfig& p) { p.type = ProviderType::Google; }, false},
    {"issuer", [](ProviderConfig& p) { p.issuer = "https://other.test"; }, false},
    {"token_endpoint", [](ProviderConfig& p) { p.token_endpoint += "x"; }, false},
    {"scopes", [](ProviderConfig& p) { p.scopes[0] = {"x"}; }, false},
    {"text moved to the next field",
     [](ProviderConfig& p) {
         p.tenant = p.client_id;
         p.client_id = "";
     },
     false},
};
BOOST_DATA_TEST_CASE(what_a_token_depends_on, boost::unit_test::data::make(kIdentities), row) {
    KeeperRoom room;
    room.stock("first");
    AgentConfig config = config_with({"contoso"});
    row.change(config.providers[0]);
    room.reload(config);
    const auto caller = room.get();
    BOOST_TEST(caller->ok() == row.kept);
    BOOST_TEST(room.source.asked().size() == (row.kept ? 1U : 2U));
}

BOOST_AUTO_TEST_CASE(late_answers_of_a_changed_identity_are_ignored) {
    const auto before = get();
    AgentConfig config = config_with({"contoso"});
    config.providers[0].client_id = "other";
    reload(config);
    BOOST_TEST(before->transient(FailureCode::ProviderError));
    const auto after = get();
    BOOST_TEST(source.waiting() == 2U);
    source.give("of the old client");
    BOOST_TEST(after->calls == 0);
    BOOST_TEST(before->calls == 1);
    source.give("of the new client");
    BOOST_TEST(after->token() == "of the new client");
}

BOOST_AUTO_TEST_CASE(late_answers_of_a_provider_that_came_back_are_ignored) {
    (void)get();
    reload(config_with({"other"}));
    reload(config_with({"contoso"}));
    const auto caller = get();
    source.give("of before");
    BOOST_TEST(caller->calls == 0);
    source.give("of now");
    BOOST_TEST(caller->token() == "of now");
}

BOOST_AUTO_TEST_CASE(a_changed_secret_starts_the_attempt_under_way_again) {
    const auto caller = get();
    AgentConfig config = config_with({"contoso"});
    test::set_client_secret(config.providers[0], "rotated");
    reload(config);
    BOOST_TEST(caller->calls == 0);
    BOOST_TEST(source.asked().size() == 2U);
    BOOST_TEST(source.asked().back().secret == "rotated");
    source.fail(FailureClass::NeedsAdmin, FailureCode::InvalidClient);  // of the old secret
    BOOST_TEST(caller->calls == 0);
    BOOST_TEST(only_status().failures == 0U);
    source.give("of the new secret");
    BOOST_TEST(caller->token() == "of the new secret");
}

BOOST_AUTO_TEST_CASE(an_unchanged_secret_leaves_the_attempt_under_way_alone) {
    const auto caller = get();
    reload(config_with({"contoso"}));
    BOOST_TEST(source.asked().size() == 1U);
    source.give("first");
    BOOST_TEST(caller->token() == "first");
}

BOOST_AUTO_TEST_CASE(a_reload_forgets_failures_and_tries_at_once) {
    (void)get();
    source.fail(FailureClass::NeedsAdmin, FailureCode::InvalidClient);
    reload(config_with({"contoso"}));
    BOOST_TEST(source.asked().size() == 2U);
    BOOST_TEST(only_status().failures == 0U);
    const auto caller = get();
    source.give("first");
    BOOST_TEST(caller->token() == "first");
}

BOOST_AUTO_TEST_CASE(a_removed_provider_answers_its_callers_and_leaves_no_timer) {
    stock("first");
    time.advance(3400s);
    const auto caller = get();
    reload(config_with({"another"}));
    BOOST_TEST(caller->calls == 1);
    BOOST_TEST(keeper->status().empty());
    BOOST_TEST(time.pending() == 0U);
    source.give("late");
    BOOST_TEST(caller->calls == 1);
}

// ---- provider_concurrency -----------------------------------------------------------------------

struct LaneRoom : KeeperRoom {
    LaneRoom() : KeeperRoom(limited({"contoso", "fabrikam"})) {}
    static AgentConfig limited(const std::vector<std::string>& names) {
        AgentConfig config = config_with(names);
        config.provider_concurrency = 2;
        return config;
    }
    Shown get_one(std::uint32_t provider, Resource resource) {
        TokenWish one = wish(300s, false, 30s);
        one.provider = provider;
        one.resource = resource;
        return get(one);
    }
};

BOOST_FIXTURE_TEST_CASE(requests_queue_behind_provider_concurrency, LaneRoom) {
    const auto smtp = get_one(0, Resource::Smtp);
    const auto imap = get_one(0, Resource::Imap);
    const auto pop = get_one(0, Resource::Pop);
    const auto graph = get_one(0, Resource::Graph);
    BOOST_TEST(source.waiting() == 2U);
    const auto other = get_one(1, Resource::Smtp);  // another provider has its own lane
    BOOST_TEST(source.waiting() == 3U);
    source.give("smtp");
    BOOST_TEST((source.asked().back().resource == Resource::Pop));
    source.fail(FailureClass::NeedsAdmin, FailureCode::InvalidScope);  // imap
    BOOST_TEST((source.asked().back().resource == Resource::Graph));
    source.give("other");
    source.give("pop");
    source.give("graph");
    BOOST_TEST(smtp->token() == "smtp");
    BOOST_TEST(imap->calls == 1);
    BOOST_TEST(pop->token() == "pop");
    BOOST_TEST(graph->token() == "graph");
    BOOST_TEST(other->token() == "other");
    BOOST_TEST(source.asked().size() == 5U);
}

BOOST_FIXTURE_TEST_CASE(a_queued_request_is_asked_once_and_with_the_newest_secret, LaneRoom) {
    (void)get_one(0, Resource::Smtp);
    (void)get_one(0, Resource::Imap);
    const auto pop = get_one(0, Resource::Pop);
    AgentConfig config = limited({"fabrikam", "contoso"});
    test::set_client_secret(config.providers[1], "rotated");
    reload(config);
    source.give("late smtp");
    source.give("late imap");
    BOOST_TEST(source.waiting() == 2U);
    BOOST_TEST(source.asked().size() == 4U);
    source.give("one");
    source.give("two");
    BOOST_TEST(source.waiting() == 1U);
    source.give("three");
    BOOST_TEST(source.asked().size() == 5U);
    BOOST_TEST(source.asked().back().secret == "rotated");
    BOOST_TEST(pop->calls == 1);
    for (const TokenStatus& status : keeper->status()) {
        BOOST_TEST(!status.renewing);
        BOOST_TEST(!status.fingerprint.empty());
    }
}

BOOST_FIXTURE_TEST_CASE(a_removed_providers_queue_goes_with_it, LaneRoom) {
    (void)get_one(0, Resource::Smtp);
    (void)get_one(0, Resource::Imap);
    (void)get_one(0, Resource::Pop);
    reload(limited({"fabrikam"}));
    source.give("late");
    source.give("late");
    BOOST_TEST(source.waiting() == 0U);
    reload(limited({"contoso"}));
    const auto caller = get_one(0, Resource::Pop);
    BOOST_TEST(source.waiting() == 1U);
    source.give("now");
    BOOST_TEST(caller->token() == "now");
}

// ---- status -------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(status_tells_all_but_the_token) {
    BOOST_TEST(keeper->status().empty());
    stock("first");
    time.advance(600s);
    TokenStatus status = only_status();
    BOOST_TEST(status.provider == "contoso");
    BOOST_TEST((status.left == 3000s));
    BOOST_TEST((status.renews_in == 1920s));
    BOOST_TEST((status.expires_at == time.wall() + 3000s));
    BOOST_TEST(!status.renewing);
    time.advance(1920s);
    BOOST_TEST(only_status().renewing);
    source.fail(FailureClass::Transient, FailureCode::Throttled, 30s);
    status = only_status();
    BOOST_TEST(status.failures == 1U);
    BOOST_TEST((status.last_failure->answer.code == FailureCode::Throttled));
    BOOST_TEST((status.retry_in == 30s));
    time.advance(3600s);
    BOOST_TEST(only_status().fingerprint.empty());  // expired: no token
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
