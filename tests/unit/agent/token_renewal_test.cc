// SPDX-License-Identifier: Apache-2.0

// TokenKeeper between the callers: when it renews, how it backs off, what a refusal does
// (design 4.2, 4.3, 5).

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

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
