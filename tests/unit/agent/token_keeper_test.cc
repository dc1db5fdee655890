// SPDX-License-Identifier: Apache-2.0

// Design 4.2 "Handing out", and section 5: what a caller is told, and when.

#include "token-agent/token_keeper.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <functional>
#include <ostream>

#include "tests/unit/agent/token_keeper_fixture.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace std::chrono_literals;
using protocol::FailureClass;
using protocol::FailureCode;
using protocol::RejectedAction;

BOOST_FIXTURE_TEST_SUITE(token_keeper_test, KeeperRoom)

BOOST_AUTO_TEST_CASE(first_wish_starts_one_request_and_is_answered_by_it) {
    const auto caller = get();
    BOOST_TEST(caller->calls == 0);
    BOOST_TEST(source.asked().size() == 1U);
    source.give("first");
    BOOST_TEST(caller->token() == "first");
    BOOST_TEST((caller->left() == 3600s));
    BOOST_TEST(((*caller->answer)->expires_at == time.wall() + 3600s));
    BOOST_TEST((*caller->answer)->token->fingerprint == "a7937b64");
}

BOOST_AUTO_TEST_CASE(two_hundred_callers_share_one_request) {
    std::vector<Shown> callers;
    for (int i = 0; i < 200; ++i) {
        callers.push_back(get());
    }
    BOOST_TEST(source.asked().size() == 1U);
    source.give("first");
    for (const Shown& caller : callers) {
        BOOST_TEST(caller->token() == "first");
    }
    time.advance(60s);  // no time-out answers a second time
    BOOST_TEST(callers.front()->calls == 1);
    BOOST_TEST(time.pending() == 1U);  // the renewal's timer only
}

BOOST_AUTO_TEST_CASE(two_hundred_callers_share_one_failure) {
    std::vector<Shown> callers;
    for (int i = 0; i < 200; ++i) {
        callers.push_back(get());
    }
    source.fail(FailureClass::NeedsAdmin, FailureCode::InvalidClient);
    for (const Shown& caller : callers) {
        BOOST_TEST(caller->failed(FailureClass::NeedsAdmin, FailureCode::InvalidClient));
    }
    BOOST_TEST(time.pending() == 1U);
}

struct EnoughRow {
    const char* name;
    seconds life;
    seconds age;
    seconds min_valid;
    bool at_once;
};
std::ostream& operator<<(std::ostream& out, const EnoughRow& row) { return out << row.name; }
constexpr EnoughRow kEnough[] = {
    {"fresh", 3600s, 0s, 300s, true},
    {"exactly enough is enough", 3600s, 3300s, 300s, true},
    {"a second too old", 3600s, 3301s, 300s, false},
    {"high-volume destination, enough", 3600s, 2940s, 660s, true},
    {"high-volume destination, too old", 3600s, 2941s, 660s, false},
    {"capped at two thirds: enough", 3600s, 1200s, 3599s, true},
    {"capped at two thirds: too old", 3600s, 1201s, 3599s, false},
    {"short token is never too short at first", 300s, 0s, 300s, true},
    {"short token, capped", 300s, 100s, 300s, true},
    {"short token, too old", 300s, 101s, 300s, false},
};
BOOST_DATA_TEST_CASE(at_once_while_min_valid_is_left, boost::unit_test::data::make(kEnough), row) {
    for (const bool is_explicit : {false, true}) {  // the cap holds for explicit values too
        KeeperRoom room;
        room.stock("first", row.life);
        room.time.advance(row.age);  // a renewal that begins meanwhile gets no answer
        const auto caller = room.get(wish(row.min_valid, is_explicit));
        BOOST_TEST((caller->calls == 1) == row.at_once);
        if (row.at_once) {
            BOOST_TEST(caller->token() == "first");
            BOOST_TEST((caller->left() == row.life - row.age));
        }
        BOOST_TEST(room.source.asked().size() <= 2U);
    }
}

struct WaitRow {
    const char* name;
    milliseconds wait;
};
std::ostream& operator<<(std::ostream& out, const WaitRow& row) { return out << row.name; }
constexpr WaitRow kWaits[] = {{"default", protocol::kDefaultWait},
                              {"plugin", 8000ms},
                              {"longest", protocol::kMaxWait},
                              {"a moment", 1ms}};
BOOST_DATA_TEST_CASE(waits_as_long_as_asked, boost::unit_test::data::make(kWaits), row) {
    KeeperRoom room;
    const auto caller = room.get(wish(300s, false, row.wait));
    room.time.advance(row.wait - 1ms);
    BOOST_TEST(caller->calls == 0);
    room.time.advance(1ms);
    BOOST_TEST(caller->transient(FailureCode::Timeout));
    room.source.give("late");
    room.time.advance(1s);
    BOOST_TEST(caller->calls == 1);
    BOOST_TEST(room.get()->token() == "late");  // the request went on for the others
}

BOOST_AUTO_TEST_CASE(who_will_not_wait_is_answered_inside_the_call) {
    const auto caller = get(wish(300s, false, 0ms));
    BOOST_TEST(caller->transient(FailureCode::Timeout));
    BOOST_TEST(source.asked().size() == 1U);  // but the renewal has begun
    source.give("first");
    BOOST_TEST(caller->calls == 1);
    BOOST_TEST(get(wish(300s, false, 0ms))->token() == "first");
}

BOOST_AUTO_TEST_CASE(each_caller_has_a_deadline_of_its_own) {
    const auto hasty = get(wish(300s, false, 1s));
    time.advance(500ms);
    const auto patient = get(wish(300s, false, 30s));
    time.advance(600ms);
    BOOST_TEST(hasty->transient(FailureCode::Timeout));
    BOOST_TEST(patient->calls == 0);
    source.give("first");
    BOOST_TEST(patient->token() == "first");
    BOOST_TEST(hasty->calls == 1);
}

struct OldTokenRow {
    const char* name;
    seconds left;
    bool is_explicit;
    bool served;
    FailureCode code;
};
std::ostream& operator<<(std::ostream& out, const OldTokenRow& row) { return out << row.name; }
constexpr OldTokenRow kOldTokens[] = {
    {"defaulted, 200 s left", 200s, false, true, {}},
    {"defaulted, 10 s left", 10s, false, true, {}},
    {"defaulted, 9 s left", 9s, false, false, FailureCode::Network},
    {"defaulted, expired", 0s, false, false, FailureCode::Network},
    {"explicit, 200 s left", 200s, true, false, FailureCode::TooShort},
    {"explicit, 9 s left", 9s, true, false, FailureCode::TooShort},
    {"explicit, expired", 0s, true, false, FailureCode::Network},
};
BOOST_DATA_TEST_CASE(after_a_failed_renewal, boost::unit_test::data::make(kOldTokens), row) {
    KeeperRoom room;
    room.stock("old");
    room.time.advance(3600s - row.left);
    BOOST_TEST(room.source.waiting() == 1U);
    const auto caller = room.get(wish(300s, row.is_explicit, 500ms));
    BOOST_TEST(caller->calls == 0);  // waits for the renewal in flight
    room.source.fail();
    const auto next = room.get(wish(300s, row.is_explicit, 500ms));  // in the back-off
    for (const Shown& each : {caller, next}) {
        if (row.served) {
            BOOST_TEST(each->token() == "old");
        } else {
            BOOST_TEST(each->transient(row.code));
        }
    }
}

BOOST_AUTO_TEST_CASE(the_old_token_is_not_held_back_while_nothing_is_under_way) {
    stock("old");
    time.advance(3400s);
    source.fail();  // the renewal begun ahead of need
    const auto caller = get();
    BOOST_TEST(caller->token() == "old");  // refresh never sits in the delivery path
}

BOOST_AUTO_TEST_CASE(the_old_token_is_served_when_waiting_ran_out) {
    stock("old");
    time.advance(3400s);
    const auto defaulted = get();
    const auto demanding = get(wish(300s, true));
    time.advance(5s);
    BOOST_TEST(defaulted->token() == "old");
    BOOST_TEST(demanding->transient(FailureCode::TooShort));
}

BOOST_AUTO_TEST_CASE(a_token_is_served_to_its_true_expiry) {
    stock("old");
    for (int i = 0; i < 3590; i += 10) {
        time.advance(10s);
        while (source.waiting() > 0) {
            source.fail();
        }
        BOOST_TEST(get()->token() == "old");
    }
    const auto caller = get();
    time.advance(30s);
    BOOST_TEST(caller->calls == 1);
}

BOOST_AUTO_TEST_CASE(resources_do_not_disturb_each_other) {
    stock("smtp token");
    TokenWish graph = wish();
    graph.resource = Resource::Graph;
    const auto caller = get(graph);
    source.fail(FailureClass::NeedsAdmin, FailureCode::InvalidScope);
    BOOST_TEST(caller->failed(FailureClass::NeedsAdmin, FailureCode::InvalidScope));
    BOOST_TEST(get()->token() == "smtp token");
    BOOST_TEST((source.asked().at(1).resource == Resource::Graph));
}

BOOST_AUTO_TEST_CASE(life_counts_from_the_request_not_from_the_answer) {
    const auto caller = get(wish(300s, false, 30s));
    time.advance(20s);  // the provider made the token at the beginning, the network was slow
    source.give("slow", 3600s);
    BOOST_TEST((caller->left() == 3580s));
    BOOST_TEST(((*caller->answer)->expires_at == time.wall() + 3580s));
}

BOOST_AUTO_TEST_CASE(a_token_that_expired_on_its_way_is_a_failure) {
    const auto caller = get(wish(300s, false, 30s));
    time.advance(6s);
    source.give("stillborn", 5s);
    time.advance(24s);
    BOOST_TEST(caller->transient(FailureCode::Timeout));
    BOOST_TEST(only_status().fingerprint.empty());
}

BOOST_AUTO_TEST_CASE(a_jump_of_the_wall_clock_changes_expires_at_only) {
    for (const seconds jump : {seconds(3600), seconds(-3600)}) {
        KeeperRoom room;
        room.stock("steady");
        const WallTime before = room.get()->answer->value().expires_at;
        room.time.jump_wall(jump);
        const auto caller = room.get();
        BOOST_TEST(caller->token() == "steady");
        BOOST_TEST((caller->left() == 3600s));
        BOOST_TEST(((*caller->answer)->expires_at == before + jump));
        room.time.advance(2519s);
        BOOST_TEST(room.source.waiting() == 0U);
        room.time.advance(1s);
        BOOST_TEST(room.source.waiting() == 1U);
    }
}

BOOST_AUTO_TEST_CASE(expires_at_does_not_flicker) {
    stock("steady");
    const WallTime first = get()->answer->value().expires_at;
    for (int i = 0; i < 50; ++i) {
        time.advance(777ms);
        BOOST_TEST((get()->answer->value().expires_at == first));
    }
}

BOOST_AUTO_TEST_CASE(suspend_is_time_that_passed) {
    stock("old");
    time.suspend(5h);
    const auto caller = get();
    BOOST_TEST(caller->calls == 0);
    BOOST_TEST(source.waiting() == 1U);
    source.give("new");
    BOOST_TEST(caller->token() == "new");
}

BOOST_AUTO_TEST_CASE(a_destroyed_keeper_ignores_late_answers) {
    const auto caller = get();
    keeper.reset();
    BOOST_TEST(time.pending() == 0U);
    source.give("late");
    BOOST_TEST(caller->calls == 0);
}

BOOST_AUTO_TEST_CASE(no_line_of_the_log_holds_a_token) {
    stock("S3ntinel-token");
    (void)refresh();
    source.fail();
    for (const std::string& line : log.lines()) {
        BOOST_TEST(line.find("S3ntinel") == std::string::npos);
    }
    BOOST_TEST(log.count("event=token_refreshed provider=contoso resource=smtp fingerprint=") ==
               1U);
    BOOST_TEST(log.count("event=token_refresh_failed provider=contoso resource=smtp "
                         "class=transient code=network failures=1 retry_in=2") == 1U);
}

// ---- callers that come back from inside ---------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_caller_may_ask_again_from_inside) {
    std::vector<std::string> got;
    const std::function<void(KeeperAnswer)> again = [&](KeeperAnswer answer) {
        got.emplace_back(answer ? "token" : "failure");
        if (got.size() < 50) {
            keeper->get(wish(), again);
        }
    };
    keeper->get(wish(), again);
    const auto other = get();
    source.give("first");
    BOOST_TEST(got.size() == 50U);
    BOOST_TEST(other->token() == "first");
    BOOST_TEST(source.asked().size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_caller_that_asks_again_after_a_failure_does_not_spin) {
    int calls = 0;
    const std::function<void(KeeperAnswer)> again = [&](const KeeperAnswer&) {
        if (++calls < 50) {
            keeper->get(wish(), again);
        }
    };
    keeper->get(wish(), again);
    source.fail(FailureClass::NeedsAdmin, FailureCode::InvalidClient);
    BOOST_TEST(source.asked().size() == 1U);  // the back-off holds
    BOOST_TEST(calls == 50);
}

BOOST_AUTO_TEST_CASE(a_caller_may_reload_from_inside) {
    AgentConfig other = config_with({"fabrikam"});
    int calls = 0;
    keeper->get(wish(), [&](const KeeperAnswer&) {
        ++calls;
        reload(other);
    });
    const auto second = get();
    source.give("first");
    BOOST_TEST(calls == 1);
    BOOST_TEST(second->calls == 1);
    BOOST_TEST(keeper->status().empty());
}

BOOST_AUTO_TEST_CASE(an_orphan_of_a_reload_may_ask_again_from_inside) {
    std::vector<Shown> again;
    for (int i = 0; i < 3; ++i) {
        keeper->get(wish(), [&](const KeeperAnswer& answer) {
            BOOST_TEST(!answer.has_value());
            again.push_back(get());
        });
    }
    reload(config_with({"fabrikam"}));
    BOOST_TEST(again.size() == 3U);
    BOOST_TEST(source.asked().size() == 2U);
    source.give("of contoso, too late");
    source.give("of fabrikam");
    for (const Shown& caller : again) {
        BOOST_TEST(caller->token() == "of fabrikam");
    }
}

BOOST_AUTO_TEST_CASE(a_timed_out_caller_may_ask_again_and_reload_from_inside) {
    int calls = 0;
    const std::function<void(KeeperAnswer)> again = [&](const KeeperAnswer&) {
        if (++calls == 1) {
            keeper->get(wish(300s, false, 1s), again);
        } else {
            reload(config_with({"fabrikam"}));
        }
    };
    keeper->get(wish(300s, false, 1s), again);
    const auto other = get();
    time.advance(2s);
    BOOST_TEST(calls == 2);
    BOOST_TEST(other->transient(FailureCode::ProviderError));
    BOOST_TEST(time.pending() == 0U);
}

BOOST_AUTO_TEST_CASE(many_callers_and_time_outs_leave_no_timers) {
    std::vector<Shown> callers;
    for (int i = 0; i < 500; ++i) {
        callers.push_back(get(wish(300s, i % 2 == 0, milliseconds(1 + i))));
    }
    time.advance(250ms);
    source.fail();
    time.advance(40s);
    for (const Shown& caller : callers) {
        BOOST_TEST(caller->calls == 1);
    }
    BOOST_TEST(time.pending() <= 1U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
