// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>

#include "tests/unit/agent/login/login_room.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;

struct Room : LoginRoom {
    void begin() {
        client.answer(200, kDeviceAnswer);
        BOOST_REQUIRE_EQUAL(start()->json["state"].asString(), "waiting");
    }
    Shown cancel() { return ask("login_cancel", R"({"session":")" + session + "\"}"); }
    void sign_in() {
        client.answer(200, tokens("S3ntinel-at", "S3ntinel-rt", id_token_for(kAlice)));
        (void)pass(6s);
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(login_store_test, Room)

BOOST_AUTO_TEST_CASE(a_full_disk_loses_no_refresh_token) {
    begin();
    store_breaks();
    sign_in();
    const Shown told = wait();
    const Shown news = told->here ? told : last;
    BOOST_TEST(news->json["state"].asString() == "waiting");
    BOOST_TEST(list(news->json["warnings"]).find("the disk is full") != std::string::npos);
    BOOST_TEST(store.logins.empty());
    BOOST_TEST(changed.empty());
    for (int i = 0; i < 300; ++i) {  // nobody waits, and it goes on
        time.advance(1s);
        turn();
    }
    store.write_error.reset();
    time.advance(10s);
    turn();
    BOOST_REQUIRE(stored() != nullptr);
    BOOST_TEST(stored()->token == "S3ntinel-rt");
    BOOST_TEST(changed.size() == 1U);
    const Shown done = wait();
    BOOST_TEST(done->json["state"].asString() == "done");
    BOOST_TEST(list(done->json["warnings"]) == "");
}

BOOST_AUTO_TEST_CASE(a_login_that_waits_for_the_store_is_not_replaced) {
    begin();
    store_breaks();
    sign_in();
    const Shown refused = start();
    BOOST_TEST(refused->status == "error");
    BOOST_TEST(refused->code == "store_unwritable");
    store.write_error.reset();
    time.advance(10s);
    turn();
    BOOST_REQUIRE(stored() != nullptr);
}

BOOST_AUTO_TEST_CASE(a_login_that_waits_for_the_store_is_not_called_off) {
    begin();
    store_breaks();
    sign_in();
    const Shown shown = cancel();
    BOOST_TEST(shown->status == "ok");
    BOOST_TEST(shown->json["state"].asString() == "waiting");
    BOOST_TEST(shown->json["storing"].asBool());
    BOOST_TEST(list(shown->json["warnings"]).find("cannot be called off") != std::string::npos);
    BOOST_TEST(list(shown->json["warnings"]).find("postbearer logout") != std::string::npos);
    BOOST_TEST(log.count("event=login_failed") == 0U);
    store.write_error.reset();
    time.advance(10s);
    turn();
    BOOST_REQUIRE(stored() != nullptr);
    BOOST_TEST(stored()->token == "S3ntinel-rt");
    BOOST_TEST(changed.size() == 1U);
    BOOST_TEST(log.count("event=login_done") == 1U);
    const Shown late = cancel();
    BOOST_TEST(late->json["state"].asString() == "done");
    BOOST_TEST(!late->json.isMember("storing"));
    BOOST_TEST(list(late->json["warnings"]) == "");
}

BOOST_AUTO_TEST_CASE(the_write_under_way_is_not_called_off) {
    begin();
    client.answer(200, tokens("S3ntinel-at", "S3ntinel-rt", id_token_for(kAlice)));
    (void)wait();
    time.advance(5s);
    client.run();  // the record is written, and its writer has not heard of it
    BOOST_REQUIRE(stored() != nullptr);
    BOOST_TEST(cancel()->json["storing"].asBool());
    turn();
    BOOST_TEST(changed.size() == 1U);
    BOOST_TEST(wait()->json["state"].asString() == "done");
}

BOOST_AUTO_TEST_CASE(an_import_does_not_replace_a_login_that_waits_for_the_store) {
    begin();
    store_breaks();
    sign_in();
    peer.uid = 0;
    const Shown refused =
        ask("import_login", R"({"account":"alice@contoso.com","refresh_token":"S3ntinel-import"})");
    turn();
    BOOST_TEST(refused->code == "store_unwritable");
    BOOST_TEST(refused->message.find("is complete and waits for the store") != std::string::npos);
    store.write_error.reset();
    time.advance(10s);
    turn();
    BOOST_REQUIRE(stored() != nullptr);
    BOOST_TEST(stored()->token == "S3ntinel-rt");
}

BOOST_AUTO_TEST_CASE(a_store_that_stays_broken_ends_the_login_after_ten_minutes) {
    begin();
    store_breaks();
    sign_in();
    const Shown failed = pass(600s);
    BOOST_TEST(failed->json["state"].asString() == "failed");
    BOOST_TEST(failed->json["error"]["code"].asString() == "store_unwritable");
    BOOST_TEST(failed->json["error"]["message"].asString().find("the disk is full") !=
               std::string::npos);
    BOOST_TEST(log.count("event=login_failed") == 1U);
    time.advance(60s);
    BOOST_TEST(time.pending() == 0U);
}

BOOST_AUTO_TEST_CASE(without_a_store_there_is_no_login) {
    has_store = false;
    for (const char* verb : {"login_plan", "login_start", "logout", "import_login"}) {
        const Shown refused =
            ask(verb, R"({"account":"alice@contoso.com","flow":"device","refresh_token":"x"})");
        BOOST_REQUIRE(refused->here);
        BOOST_TEST(refused->failure_class == "needs_admin");
        BOOST_TEST(refused->code == "store_unwritable");
        BOOST_TEST(refused->message.find("no store is configured") != std::string::npos);
    }
    BOOST_TEST(client.seen().empty());
}

BOOST_AUTO_TEST_SUITE_END()
