// SPDX-License-Identifier: Apache-2.0
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>

#include "tests/unit/agent/login/login_room.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;

constexpr const char* kRevoke = "https://idp.example/revoke";

/// A server of no preset where tokens can be revoked, and a user whose login works.
struct Room : LoginRoom {
    Room() {
        provider.type = ProviderType::Oidc;
        provider.tenant.clear();
        provider.token_endpoint = "https://idp.example/token";
        provider.authorization_endpoint = "https://idp.example/auth";
        provider.device_authorization_endpoint = "https://idp.example/device";
        provider.revocation_endpoint = kRevoke;
        provider.scopes[0] = {"smtp"};
        provider.scopes[1] = {"imap"};
        test::MemoryStore::Login& login = store.logins[{"contoso", kAlice}];
        login.client_id = kClient;
        login.token = "S3ntinel-working";
        login.generation = 3;
    }
    void begin() {
        client.answer(200, kDeviceAnswer);
        BOOST_REQUIRE_EQUAL(start()->json["state"].asString(), "waiting");
    }
    void grant(const std::string& refresh_token, const std::string& name = kAlice,
               const std::string& subject = "s", const std::string& more = "") {
        client.answer(200, tokens("S3ntinel-at", refresh_token,
                                  jwt(R"({"iss":"https://idp.example","aud":"client-1","sub":")" +
                                      subject + R"(","exp":1800003600,"preferred_username":")" +
                                      name + "\"" + more + "}")));
    }
    /// The first step is done and its refresh token here; the second waits for the user.
    void begin_second_step() {
        access.resources = {true, true, false, false};
        begin();
        grant("S3ntinel-1");
        client.answer(400, R"({"error":"invalid_scope"})");
        client.answer(200, kDeviceAnswer);
        BOOST_REQUIRE_EQUAL(pass(6s)->json["step"].asInt(), 2);
    }
    void cancel() {
        (void)ask("login_cancel", R"({"session":")" + session + "\"}");
        turn();
    }
};

struct Ending {
    const char* name;
    void (*happens)(Room&);
};
std::ostream& operator<<(std::ostream& out, const Ending& row) { return out << row.name; }

const Ending kEndings[] = {
    {"refused: another user",
     [](Room& room) {
         room.begin();
         room.grant("S3ntinel-rt", "mallory@x.example");
         (void)room.pass(6s);
     }},
    {"refused: the id_token is not for us",
     [](Room& room) {
         room.begin();
         room.grant("S3ntinel-rt", kAlice, "s", R"(,"azp":"another")");
         (void)room.pass(6s);
     }},
    {"refused: another user at the second step",
     [](Room& room) {
         room.begin_second_step();
         room.grant("S3ntinel-2", kAlice, "another-subject");
         (void)room.pass(6s);
     }},
    {"cancelled with a token at hand",
     [](Room& room) {
         room.begin_second_step();
         room.cancel();
     }},
    {"cancelled while the poll is on its way",
     [](Room& room) {
         room.begin();
         (void)room.wait();
         room.time.advance(5s);
         BOOST_TEST(room.client.waiting() == 1U);
         room.cancel();
         room.grant("S3ntinel-late");
         room.turn();
     }},
    {"cancelled while the code is redeemed",
     [](Room& room) {
         const Room::Shown shown = room.start_code();
         const Room::Shown pasted = room.paste("?code=c&state=" + Room::parameter(*shown, "state"));
         BOOST_TEST(room.client.waiting() == 1U);
         room.cancel();
         room.grant("S3ntinel-late");
         room.turn();
     }},
    {"abandoned",
     [](Room& room) {
         room.begin_second_step();
         for (int i = 0; i < 40; ++i) {
             room.client.answer(400, kPending);
             room.time.advance(1s);
             room.turn();
         }
     }},
    {"never stored",
     [](Room& room) {
         room.begin();
         room.store_breaks();
         room.grant("S3ntinel-rt");
         (void)room.pass(620s);
     }},
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(login_revocation_test, Room)

// RFC 7009 section 2.1 lets a server end the whole grant with a token of it, and Google ends
// whatever the user ever granted to this client. So to revoke what such a login got could end the
// login in the store, which works; a stray token that nobody holds is the smaller harm.
BOOST_DATA_TEST_CASE_F(Room, a_login_that_ends_without_success_revokes_nothing,
                       boost::unit_test::data::make(kEndings), row) {
    row.happens(*this);
    time.advance(60s);
    turn();
    BOOST_TEST(log.count("event=login_failed") == 1U);
    BOOST_TEST(requests_to("/token") >= 1U);
    BOOST_TEST(client.waiting() == 0U);
    BOOST_TEST(requests_to(kRevoke) == 0U);
    BOOST_REQUIRE(stored() != nullptr);
    BOOST_TEST(stored()->token == "S3ntinel-working");
}

BOOST_AUTO_TEST_CASE(a_login_that_succeeds_revokes_nothing) {
    begin();
    grant("S3ntinel-rt");
    BOOST_TEST(pass(6s)->json["state"].asString() == "done");
    time.advance(60s);
    turn();
    BOOST_TEST(stored()->token == "S3ntinel-rt");
    BOOST_TEST(requests_to(kRevoke) == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
