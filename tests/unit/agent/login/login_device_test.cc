// SPDX-License-Identifier: Apache-2.0
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>

#include "tests/unit/agent/login/login_room.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;

struct Room : LoginRoom {
    /// A device login that shows its code.
    void begin(const std::string& more = "") {
        client.answer(200, kDeviceAnswer);
        const Shown shown = start(more);
        BOOST_REQUIRE(shown->here);
        BOOST_REQUIRE_EQUAL(shown->json["state"].asString(), "waiting");
    }
    std::size_t polls() const { return requests_to("/token"); }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(login_device_test, Room)

BOOST_AUTO_TEST_CASE(the_code_is_shown_with_all_that_the_operator_must_know) {
    client.answer(200, kDeviceAnswer);
    const Shown shown = start();
    BOOST_REQUIRE(shown->here);
    const Json::Value& json = shown->json;
    BOOST_TEST(shown->status == "ok");
    BOOST_TEST(json["version"].asInt() == 1);
    BOOST_TEST(json["kind"].asString() == "login");
    BOOST_TEST(json["state"].asString() == "waiting");
    BOOST_TEST(json["account"].asString() == kAlice);
    BOOST_TEST(json["login"].asString() == kAlice);
    BOOST_TEST(json["provider"].asString() == "contoso");
    BOOST_TEST(json["client_id"].asString() == kClient);
    BOOST_TEST(json["tenant"].asString() == "contoso.example");
    BOOST_TEST(json["resource"].asString() == "smtp");
    BOOST_TEST(json["step"].asInt() == 1);
    BOOST_TEST(json["flow"].asString() == "device");
    BOOST_TEST(json["expires_in"].asInt() == 900);
    BOOST_TEST(json["interval"].asInt() == 5);
    BOOST_TEST(json["user_code"].asString() == "ABCD-EFGH");
    BOOST_TEST(json["verification_uri"].asString() == "https://microsoft.com/devicelogin");
    BOOST_TEST(json["message"].asString() == "To sign in, open it");
    BOOST_TEST(!json.isMember("verification_uri_complete"));
    BOOST_TEST(!json.isMember("error"));
    BOOST_TEST(sent().url ==
               "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/devicecode");
    BOOST_TEST(sent_field("client_id=client-1"));
    BOOST_TEST(
        sent_field("scope=https%3A%2F%2Foutlook.office.com%2FSMTP.Send%20offline_access"
                   "%20openid%20profile"));
    BOOST_TEST(log.count("event=login_started uid=4242 pid=77 account=alice@contoso.com") == 1U);
}

BOOST_AUTO_TEST_CASE(a_confirmed_code_ends_in_the_store) {
    begin();
    client.answer(400, kPending);
    client.answer(200, tokens("S3ntinel-at", "S3ntinel-rt", id_token_for("Alice@contoso.com")));
    const Shown done = pass(20s);
    BOOST_REQUIRE(done->here);
    BOOST_TEST(done->json["state"].asString() == "done");
    BOOST_TEST(done->json["user"].asString() == "Alice@contoso.com");
    BOOST_TEST(done->json["user_confirmed_by"].asString() == "id_token");
    BOOST_TEST(list(done->json["consented"]) == "smtp");
    BOOST_TEST(done->json["warnings"].empty());
    BOOST_REQUIRE(stored() != nullptr);
    BOOST_TEST(stored()->token == "S3ntinel-rt");
    BOOST_TEST(stored()->client_id == kClient);
    BOOST_TEST(stored()->user == "Alice@contoso.com");
    BOOST_TEST((store.access[{{"contoso", kAlice}, Resource::Smtp}] == "S3ntinel-at"));
    BOOST_TEST(changed.size() == 1U);
    BOOST_TEST(changed.front() == "contoso/alice@contoso.com");
    BOOST_TEST(log.count("event=login_done uid=4242 pid=77 account=alice@contoso.com") == 1U);
    BOOST_TEST(sent_field("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code"));
    BOOST_TEST(sent_field("device_code=S3ntinel-device"));
}

BOOST_AUTO_TEST_CASE(access_tokens_stay_out_of_a_store_that_shall_hold_none) {
    store_access_tokens = false;
    begin();
    client.answer(200, tokens("S3ntinel-at", "S3ntinel-rt", id_token_for(kAlice)));
    BOOST_TEST(pass(10s)->json["state"].asString() == "done");
    BOOST_TEST(store.access.empty());
    BOOST_REQUIRE(stored() != nullptr);
}

BOOST_AUTO_TEST_CASE(the_first_poll_waits_for_the_interval) {
    begin();
    (void)wait();
    time.advance(4999ms);
    BOOST_TEST(polls() == 0U);
    time.advance(1ms);
    BOOST_TEST(polls() == 1U);
}

BOOST_AUTO_TEST_CASE(slow_down_adds_five_seconds_for_good_each_time) {
    begin();
    (void)wait();
    client.answer(400, R"({"error":"slow_down"})");
    time.advance(5s);
    turn();
    BOOST_TEST(polls() == 1U);
    client.answer(400, kPending);
    time.advance(9s);
    BOOST_TEST(polls() == 1U);
    time.advance(1s);
    turn();
    BOOST_TEST(polls() == 2U);
    (void)wait();
    time.advance(9s);
    BOOST_TEST(polls() == 2U);  // it has not forgotten
    client.answer(400, R"({"error":"slow_down"})");
    time.advance(1s);
    turn();
    BOOST_TEST(polls() == 3U);
    client.answer(400, kPending);
    time.advance(14s);
    BOOST_TEST(polls() == 3U);
    const Shown shown = wait();
    time.advance(1s);
    turn();
    BOOST_TEST(polls() == 4U);
    time.advance(20s);
    turn();
    BOOST_REQUIRE(shown->here);
    BOOST_TEST(shown->json["interval"].asInt() == 15);
}

BOOST_AUTO_TEST_CASE(polls_never_overlap) {
    begin();
    (void)wait();
    time.advance(5s);
    BOOST_TEST(client.waiting() == 1U);
    time.advance(19s);
    BOOST_TEST(client.waiting() == 1U);
    BOOST_TEST(polls() == 1U);
}

BOOST_AUTO_TEST_CASE(trouble_on_the_way_backs_off_and_loses_nothing) {
    begin();
    client.fail(Errc::Timeout, "login.microsoftonline.com: timed out");
    client.answer(503, "<html>busy</html>", "text/html");
    http::Response throttled = test::json_response(429, "slow");
    throttled.retry_after = 40s;
    (void)wait();
    time.advance(5s);
    turn();
    BOOST_TEST(polls() == 1U);
    time.advance(9s);
    turn();
    BOOST_TEST(polls() == 1U);  // twice the interval
    time.advance(1s);
    turn();
    BOOST_TEST(polls() == 2U);
    (void)wait();
    client.answer(std::move(throttled));
    time.advance(19s);
    turn();
    BOOST_TEST(polls() == 2U);  // four times
    (void)wait();
    time.advance(1s);
    turn();
    BOOST_TEST(polls() == 3U);
    (void)pass(39s);
    BOOST_TEST(polls() == 3U);  // Retry-After
    client.answer(400, kPending);
    (void)pass(1s);
    BOOST_TEST(polls() == 4U);
    client.answer(200, tokens("S3ntinel-at", "S3ntinel-rt", id_token_for(kAlice)));
    BOOST_TEST(pass(6s)->json["state"].asString() == "done");  // the interval again
    BOOST_TEST(polls() == 5U);
}

BOOST_AUTO_TEST_CASE(a_code_that_brought_a_refresh_token_is_spent) {
    begin();
    client.answer(200, R"({"token_type":"Bearer","refresh_token":"S3ntinel-rt"})");
    const Shown failed = pass(60s);
    BOOST_TEST(failed->json["error"]["message"].asString().find("no access_token") !=
               std::string::npos);
    BOOST_TEST(polls() == 1U);
    BOOST_TEST(store.logins.empty());
}

BOOST_AUTO_TEST_CASE(nobody_waits_so_nothing_is_sent_any_more) {
    begin();
    for (int i = 0; i < 20; ++i) {
        client.answer(400, kPending);
    }
    for (int i = 0; i < 29; ++i) {
        time.advance(1s);
        turn();
    }
    const std::size_t before = polls();
    BOOST_TEST(before == 5U);
    time.advance(1s);
    turn();
    BOOST_TEST(log.count("event=login_failed") == 1U);
    for (int i = 0; i < 120; ++i) {
        time.advance(1s);
        turn();
    }
    BOOST_TEST(polls() <= before + 1);
    BOOST_TEST(wait()->status == "error");  // forgotten after a minute
    BOOST_TEST(time.pending() == 0U);
}

// The answer to the last question goes nowhere, and must not count as another question.
BOOST_AUTO_TEST_CASE(who_asked_and_went_away_is_not_waited_for) {
    begin();
    for (int i = 0; i < 20; ++i) {
        client.answer(400, kPending);
    }
    time.advance(7s);
    turn();
    const Shown unread = wait();
    for (int i = 0; i < 29; ++i) {
        time.advance(1s);
        turn();
    }
    BOOST_TEST(unread->here);
    BOOST_TEST(log.count("event=login_failed") == 0U);
    time.advance(1s);
    turn();
    BOOST_TEST(log.count("event=login_failed") == 1U);
    const std::size_t before = polls();
    for (int i = 0; i < 40; ++i) {
        time.advance(1s);
        turn();
    }
    BOOST_TEST(polls() == before);
}

BOOST_AUTO_TEST_CASE(a_slow_start_leaves_time_to_ask) {
    const Shown shown = start();
    BOOST_TEST(!shown->here);
    time.advance(45s);
    client.answer(200, kDeviceAnswer);
    turn();
    BOOST_REQUIRE(shown->here);
    BOOST_TEST(shown->json["state"].asString() == "waiting");
    session = shown->json["session"].asString();
    time.advance(2s);
    turn();
    BOOST_TEST(log.count("event=login_failed") == 0U);
    client.answer(200, tokens("S3ntinel-at", "S3ntinel-rt", id_token_for(kAlice)));
    BOOST_TEST(pass(6s)->json["state"].asString() == "done");
}

BOOST_AUTO_TEST_CASE(the_code_expires_by_our_clock) {
    begin();
    for (int i = 0; i < 200; ++i) {
        client.answer(400, kPending);
    }
    const Shown shown = pass(901s);
    BOOST_REQUIRE(shown->here);
    BOOST_TEST(shown->json["state"].asString() == "failed");
    BOOST_TEST(shown->json["error"]["code"].asString() == "timeout");
    BOOST_TEST(shown->json["error"]["message"].asString() ==
               "the sign-in was not confirmed within 15 minutes. Start the login again");
    BOOST_TEST(polls() == 179U);  // none at the very end
}

BOOST_AUTO_TEST_CASE(a_machine_that_slept_does_not_poll_an_expired_code) {
    begin();
    const Shown shown = wait();
    time.suspend(1h);
    turn();
    BOOST_TEST(polls() == 0U);
    BOOST_REQUIRE(shown->here);
    BOOST_TEST(wait()->json["state"].asString() == "failed");
}

struct EndRow {
    const char* name;
    long status;
    const char* body;
    const char* code;
    const char* words;
};
std::ostream& operator<<(std::ostream& out, const EndRow& row) { return out << row.name; }
const EndRow kEndRows[] = {
    {"Entra's declined", 400, R"({"error":"authorization_declined"})", "access_denied", "declined"},
    {"RFC 8628's declined", 400, R"({"error":"access_denied"})", "access_denied", "declined"},
    {"Google's declined", 403, R"({"error":"access_denied"})", "access_denied", "declined"},
    {"expired", 400, R"({"error":"expired_token"})", "timeout", "not confirmed within 15 minutes"},
    {"unknown code", 400, R"({"error":"bad_verification_code"})", "invalid_grant",
     "does not know this device code"},
    {"public client flows are off", 400, R"({"error":"invalid_client","error_codes":[7000218]})",
     "invalid_client", "Allow public client flows"},
};
BOOST_DATA_TEST_CASE_F(Room, what_ends_it, boost::unit_test::data::make(kEndRows), row) {
    begin();
    client.answer(row.status, row.body);
    const Shown shown = pass(10s);
    BOOST_REQUIRE(shown->here);
    BOOST_TEST(shown->json["state"].asString() == "failed");
    BOOST_TEST(shown->json["error"]["code"].asString() == row.code);
    BOOST_TEST(shown->json["error"]["message"].asString().find(row.words) != std::string::npos);
    BOOST_TEST(stored() == nullptr);
    BOOST_TEST(changed.empty());
    BOOST_TEST(polls() == 1U);
    BOOST_TEST(log.count("event=login_failed") == 1U);
}

struct StartRow {
    const char* name;
    long status;
    const char* body;
    const char* failure_class;
    const char* words;
};
std::ostream& operator<<(std::ostream& out, const StartRow& row) { return out << row.name; }
const StartRow kStartRows[] = {
    {"HTML with 200", 200, "<html>portal</html>", "transient", "unusable"},
    {"no such endpoint", 404, "", "needs_admin", "--browser"},
    {"wrong client", 400, R"({"error":"unauthorized_client","error_codes":[700016]})",
     "needs_admin", "AADSTS700016"},
    {"an error with 200", 200, R"({"error":"unauthorized_client"})", "needs_admin",
     "may not use this grant"},
    {"server down", 503, "", "transient", "trouble"},
    {"a code for a page over http", 200,
     R"({"device_code":"d","user_code":"u","verification_uri":"http://evil.example/"})",
     "transient", "verification_uri"},
};
BOOST_DATA_TEST_CASE_F(Room, what_gives_no_code, boost::unit_test::data::make(kStartRows), row) {
    client.answer(row.status, row.body);
    const Shown shown = start();
    BOOST_REQUIRE(shown->here);
    BOOST_TEST(shown->json["state"].asString() == "failed");
    BOOST_TEST(shown->json["error"]["class"].asString() == row.failure_class);
    BOOST_TEST(shown->json["error"]["message"].asString().find(row.words) != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_provider_that_never_answers_ends_the_start) {
    const Shown shown = start();
    BOOST_TEST(!shown->here);
    time.advance(60s);
    turn();
    BOOST_REQUIRE(shown->here);
    BOOST_TEST(shown->json["state"].asString() == "failed");
    BOOST_TEST(shown->json["error"]["code"].asString() == "timeout");
}

BOOST_AUTO_TEST_CASE(waiting_is_answered_after_ten_seconds_without_news) {
    begin();
    for (int i = 0; i < 20; ++i) {
        client.answer(400, kPending);
    }
    const Shown shown = wait();
    for (int i = 0; i < 9; ++i) {
        time.advance(1s);
        turn();
    }
    BOOST_TEST(!shown->here);
    time.advance(1s);
    BOOST_REQUIRE(shown->here);
    BOOST_TEST(shown->json["state"].asString() == "waiting");
    BOOST_TEST(shown->json["expires_in"].asInt() == 890);
}

BOOST_AUTO_TEST_CASE(the_end_is_told_at_once_and_again) {
    begin();
    const Shown first = wait();
    const Shown cancelled = ask("login_cancel", R"({"session":")" + session + "\"}");
    BOOST_REQUIRE(first->here);
    BOOST_REQUIRE(cancelled->here);
    BOOST_TEST(first->json["state"].asString() == "failed");
    BOOST_TEST(cancelled->json["state"].asString() == "failed");
    BOOST_TEST(cancelled->json["error"]["message"].asString().find("called off") !=
               std::string::npos);
    BOOST_TEST(wait()->json["state"].asString() == "failed");
    time.advance(30s);
    turn();
    BOOST_TEST(polls() == 0U);
}

BOOST_AUTO_TEST_CASE(a_new_login_replaces_the_one_under_way) {
    begin();
    const Shown first = wait();
    const std::string old = session;
    begin();
    BOOST_TEST(session != old);
    BOOST_REQUIRE(first->here);
    BOOST_TEST(first->json["state"].asString() == "failed");
    BOOST_TEST(first->json["error"]["message"].asString().find("another login was started") !=
               std::string::npos);
    client.answer(200, tokens("S3ntinel-at", "S3ntinel-rt", id_token_for(kAlice)));
    BOOST_TEST(pass(6s)->json["state"].asString() == "done");
}

BOOST_AUTO_TEST_CASE(no_more_than_sixteen_logins_at_once) {
    rule.match = "@contoso.com";
    for (int i = 0; i < 16; ++i) {
        client.answer(200, kDeviceAnswer);
        const Shown shown = ask("login_start", R"({"account":"u)" + std::to_string(i) +
                                                   R"(@contoso.com","flow":"device"})");
        turn();
        BOOST_REQUIRE(shown->here);
        BOOST_REQUIRE_EQUAL(shown->status, "ok");
    }
    const Shown shown = ask("login_start", R"({"account":"one-more@contoso.com","flow":"device"})");
    BOOST_TEST(shown->status == "error");
    BOOST_TEST(shown->code == "throttled");
    for (int i = 0; i < 16; ++i) {
        client.answer(400, kPending);  // to the polls that are on their way
    }
    time.advance(30s);  // nobody waits for the others
    turn();
    client.answer(200, kDeviceAnswer);
    const Shown again = ask("login_start", R"({"account":"one-more@contoso.com","flow":"device"})");
    turn();
    BOOST_TEST(again->status == "ok");
}

BOOST_AUTO_TEST_CASE(a_reload_that_changes_the_provider_ends_the_login) {
    begin();
    const Shown shown = wait();
    service().reload(policy());
    BOOST_TEST(!shown->here);  // nothing that matters to it has changed
    provider.client_id = "another";
    service().reload(policy());
    BOOST_REQUIRE(shown->here);
    BOOST_TEST(shown->json["state"].asString() == "failed");
    BOOST_TEST(shown->json["error"]["message"].asString().find("configuration") !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_service_may_go_with_a_login_under_way) {
    begin();
    (void)wait();
    time.advance(5s);
    BOOST_TEST(client.waiting() == 1U);
    drop_service();
    client.answer(200, tokens("S3ntinel-at", "S3ntinel-rt", id_token_for(kAlice)));
    turn();
    BOOST_TEST(store.logins.empty());
    BOOST_TEST(time.pending() == 0U);
}

BOOST_AUTO_TEST_CASE(a_confidential_client_of_a_generic_server_proves_itself_for_the_code_too) {
    provider.type = ProviderType::Oidc;
    provider.token_endpoint = "https://idp.example/token";
    provider.device_authorization_endpoint = "https://idp.example/device";
    be_confidential();
    begin();
    BOOST_TEST(sent().url == "https://idp.example/device");
    BOOST_TEST(sent_field("client_secret=S3ntinel-secret"));
}

BOOST_AUTO_TEST_CASE(a_login_made_without_the_secret_says_so_in_the_store) {
    be_confidential();
    begin();
    BOOST_TEST(sent().body.find("secret") == std::string::npos);
    client.answer(401, R"({"error":"invalid_client","error_codes":[700025]})");
    client.answer(200, tokens("S3ntinel-at", "S3ntinel-rt", id_token_for(kAlice)));
    BOOST_TEST(pass(6s)->json["state"].asString() == "done");
    BOOST_REQUIRE(stored() != nullptr);
    BOOST_TEST(stored()->public_client);
}

BOOST_AUTO_TEST_SUITE_END()
