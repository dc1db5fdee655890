// SPDX-License-Identifier: Apache-2.0
#include "token-agent/grants/delegated.hh"

#include <boost/test/unit_test.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/capture_log.hh"
#include "tests/support/manual_time.hh"
#include "tests/support/memory_store.hh"
#include "tests/support/scripted_http.hh"
#include "token-agent/discovery.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace std::chrono_literals;
using protocol::FailureClass;
using protocol::FailureCode;

constexpr const char* kAlice = "alice@contoso.com";
const test::MemoryStore::Place kPlace{"contoso", kAlice};

std::string answer_with(const std::string& access, const std::string& refresh = "") {
    return R"({"token_type":"Bearer","expires_in":3600,"access_token":")" + access + "\"" +
           (refresh.empty() ? "" : R"(,"refresh_token":")" + refresh + "\"") + "}";
}
constexpr const char* kInvalidGrant =
    R"({"error":"invalid_grant","error_codes":[70000],"error_description":"AADSTS70000: gone"})";

struct Room {
    Room() {
        ProviderConfig provider;
        provider.name = "contoso";
        provider.type = ProviderType::Microsoft;
        provider.tenant = "contoso.example";
        provider.client_id = "client";
        config->providers.push_back(std::move(provider));
        test::MemoryStore::Login& login = store.logins[kPlace];
        login.client_id = "client";
        login.token = "rt-1";
        login.generation = 1;
        login.rotates = true;
    }

    using Shown = std::shared_ptr<std::optional<FetchResult>>;
    Shown fetch(Resource resource = Resource::Smtp, bool can_wait = false,
                const std::string& account = kAlice) {
        FetchWish wish;
        wish.config = config;
        wish.grant = Grant::Delegated;
        wish.account = account;
        wish.resource = resource;
        wish.can_wait = can_wait;
        auto shown = std::make_shared<std::optional<FetchResult>>();
        source->fetch(std::move(wish), [shown](FetchResult result) {
            BOOST_TEST(!shown->has_value());  // once
            shown->emplace(std::move(result));
        });
        BOOST_TEST(!shown->has_value());  // later, never inside fetch()
        return shown;
    }
    /// Until nothing moves any more.
    void turn() {
        for (int i = 0; i < 10; ++i) {
            time.run_due();
            client.run();
        }
    }
    static std::string token(const Shown& shown) {
        return *shown && **shown ? std::string((**shown)->access_token.reveal()) : "none";
    }
    static const FetchFailure& error(const Shown& shown) {
        BOOST_REQUIRE((shown->has_value() && !(*shown)->has_value()));
        return (*shown)->error();
    }
    test::MemoryStore::Login& login() { return store.logins[kPlace]; }
    /// A server that may take each refresh token once; of Microsoft it is known that it does not.
    void generic_provider() {
        config->providers[0].type = ProviderType::Oidc;
        config->providers[0].token_endpoint = "https://idp.example/token";
    }
    void store_breaks() {
        store.write_error = Error{Errc::Unavailable, "token store /x/tokens.db: the disk is full"};
    }

    std::shared_ptr<AgentConfig> config = std::make_shared<AgentConfig>();
    test::ScriptedHttp client;
    test::ManualTime time;
    test::CaptureLog log;
    test::MemoryStore store;
    test::ManualQueue queue{store, time};
    Discovery discovery{client, time};
    TokenExchange exchange{{client, discovery, time, time}};
    std::optional<Delegated> source{std::in_place,
                                    Delegated::Services{exchange, queue, time, time, log}};
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(delegated_test, Room)

BOOST_AUTO_TEST_CASE(a_rotated_refresh_token_is_stored_before_its_access_token_goes_out) {
    client.answer(200, answer_with("at-1", "rt-2"));
    const auto shown = fetch();
    time.run_due();  // the login is read
    time.run_due();  // the attempt is noted
    BOOST_REQUIRE(client.seen().size() == 1U);
    BOOST_TEST(client.seen()[0].body.find("grant_type=refresh_token&refresh_token=rt-1") !=
               std::string::npos);
    BOOST_TEST(client.seen()[0].body.find("SMTP.Send") != std::string::npos);
    BOOST_TEST(login().attempt_at.has_value());
    client.run();
    BOOST_TEST(login().token == "rt-2");  // written ...
    BOOST_TEST(!shown->has_value());      // ... and only then ...
    time.run_due();
    BOOST_TEST(token(shown) == "at-1");  // ... handed out
    BOOST_TEST(login().previous_token == "rt-1");
    BOOST_TEST(login().generation == 2U);
    BOOST_TEST(!login().attempt_at.has_value());
}

BOOST_AUTO_TEST_CASE(without_a_new_refresh_token_the_old_one_stays) {
    for (const char* again : {"", "rt-1"}) {
        client.answer(200, answer_with("at-1", again));
        const auto shown = fetch();
        turn();
        BOOST_TEST(token(shown) == "at-1");
        BOOST_TEST(login().token == "rt-1");
        BOOST_TEST(login().generation == 1U);
    }
}

BOOST_AUTO_TEST_CASE(one_login_serves_every_resource_by_its_scope) {
    client.answer(200, answer_with("at-smtp", "rt-2"));
    client.answer(200, answer_with("at-imap", "rt-3"));
    client.answer(200, answer_with("at-graph", "rt-4"));
    const auto smtp = fetch(Resource::Smtp);
    const auto imap = fetch(Resource::Imap);
    const auto graph = fetch(Resource::Graph);
    turn();
    BOOST_TEST(token(smtp) == "at-smtp");
    BOOST_TEST(token(imap) == "at-imap");
    BOOST_TEST(token(graph) == "at-graph");
    BOOST_REQUIRE(client.seen().size() == 3U);
    const char* const wanted[][2] = {
        {"rt-1", "SMTP.Send"}, {"rt-2", "IMAP.AccessAsUser.All"}, {"rt-3", "Mail.Send"}};
    for (std::size_t i = 0; i < 3; ++i) {
        BOOST_TEST(client.seen()[i].body.find(std::string("refresh_token=") + wanted[i][0]) !=
                   std::string::npos);
        BOOST_TEST(client.seen()[i].body.find(wanted[i][1]) != std::string::npos);
    }
    BOOST_TEST(login().token == "rt-4");
}

BOOST_AUTO_TEST_CASE(requests_of_one_login_follow_each_other) {
    const auto smtp = fetch(Resource::Smtp);
    const auto imap = fetch(Resource::Imap);
    for (int i = 0; i < 5; ++i) {
        time.run_due();
    }
    BOOST_TEST(client.waiting() == 1U);  // a single-use token is in one request at most
    client.answer(200, answer_with("at-smtp", "rt-2"));
    client.answer(200, answer_with("at-imap", "rt-3"));
    turn();
    BOOST_TEST(token(imap) == "at-imap");
    BOOST_TEST(token(smtp) == "at-smtp");
}

BOOST_AUTO_TEST_CASE(other_logins_do_not_wait) {
    store.logins[{"contoso", "bob@contoso.com"}] = login();
    (void)fetch();
    (void)fetch(Resource::Smtp, false, "bob@contoso.com");
    for (int i = 0; i < 5; ++i) {
        time.run_due();
    }
    BOOST_TEST(client.waiting() == 2U);
}

BOOST_AUTO_TEST_CASE(nobody_has_logged_in) {
    const auto shown = fetch(Resource::Smtp, false, "bob@contoso.com");
    turn();
    BOOST_TEST((error(shown).answer.failure_class == FailureClass::NeedsUser));
    BOOST_TEST((error(shown).answer.code == FailureCode::NotLoggedIn));
    BOOST_TEST(error(shown).answer.message ==
               "provider 'contoso': nobody has logged in. Run: postbearer login bob@contoso.com");
    BOOST_TEST(client.seen().empty());
}

BOOST_AUTO_TEST_CASE(another_client_than_the_login_s) {
    login().client_id = "older-client";
    const auto shown = fetch();
    turn();
    BOOST_TEST((error(shown).answer.code == FailureCode::NotLoggedIn));
    const std::string message = error(shown).answer.message;
    BOOST_TEST(message.find("older-client") != std::string::npos);
    constexpr const char* kAdvice = "postbearer login";
    BOOST_TEST(message.find(kAdvice) != std::string::npos);
    BOOST_TEST(message.find(kAdvice) == message.rfind(kAdvice));
    BOOST_TEST(client.seen().empty());
}

BOOST_AUTO_TEST_CASE(a_damaged_record_says_so_and_is_not_touched) {
    store.read_error = Error{Errc::Protocol, "the record is damaged"};
    const auto shown = fetch();
    turn();
    BOOST_TEST((error(shown).answer.failure_class == FailureClass::NeedsUser));
    BOOST_TEST(error(shown).answer.message.find("the record is damaged") != std::string::npos);
    BOOST_TEST(login().token == "rt-1");
    (void)fetch();
    turn();
    BOOST_TEST(log.count("event=account_needs_user account=alice@contoso.com") == 1U);
}

BOOST_AUTO_TEST_CASE(a_record_whose_key_is_missing_is_for_the_admin) {
    store.read_error = Error{Errc::Config, "the login is sealed with key 1f0c, not in the ring"};
    const auto shown = fetch();
    turn();
    BOOST_TEST((error(shown).answer.failure_class == FailureClass::NeedsAdmin));
    for (const char* word : {"sealed with key 1f0c", "previous_master_keys", "restart"}) {
        BOOST_TEST(error(shown).answer.message.find(word) != std::string::npos,
                   error(shown).answer.message);
    }
    BOOST_TEST(client.seen().empty());
}

// ---- errors lose nothing

BOOST_AUTO_TEST_CASE(no_error_deletes_the_refresh_token) {
    const auto fails = [&](auto&& script) {
        script();
        const auto shown = fetch();
        turn();
        BOOST_TEST(!(*shown)->has_value());
        BOOST_TEST(login().token == "rt-1");
        BOOST_TEST(login().generation == 1U);
    };
    fails([&] { client.answer(400, kInvalidGrant); });
    fails([&] { client.answer(400, kInvalidGrant); });  // the second one neither (a peer's defect)
    fails([&] { client.answer(200, "<html>portal</html>", "text/html"); });
    fails([&] { client.answer(200, R"({"access_token":"x","token_type":"mac"})"); });
    fails([&] { client.answer(401, R"({"error":"invalid_client"})"); });
    fails([&] { client.answer(400, R"({"error":"interaction_required"})"); });
    fails([&] { client.answer(429, "Too Many Requests", "text/plain"); });
    fails([&] { client.answer(503, ""); });
    fails([&] { client.fail(Errc::Timeout, "no answer in time"); });
    fails([&] { client.fail(Errc::Unavailable, "connection reset"); });
}

BOOST_AUTO_TEST_CASE(an_answer_that_is_odd_but_good_is_taken) {
    client.answer(200,
                  R"({"access_token":"at-1","token_type":"bearer","expires_in":"3599",
                      "refresh_token":"rt-2"})");
    const auto shown = fetch();
    turn();
    BOOST_TEST(token(shown) == "at-1");
    BOOST_TEST((**shown)->expires_in.count() == 3599);
    BOOST_TEST(login().token == "rt-2");
}

BOOST_AUTO_TEST_CASE(needs_user_is_told_once) {
    for (int i = 0; i < 3; ++i) {
        client.answer(400, kInvalidGrant);
        client.answer(400, kInvalidGrant);
        const auto smtp = fetch(Resource::Smtp);
        const auto imap = fetch(Resource::Imap);
        turn();
        BOOST_TEST((error(smtp).answer.failure_class == FailureClass::NeedsUser));
        BOOST_TEST((error(imap).answer.failure_class == FailureClass::NeedsUser));
    }
    BOOST_TEST(log.count("event=account_needs_user account=alice@contoso.com") == 1U);
    client.answer(200, answer_with("at", "rt-2"));
    (void)fetch();
    turn();
    client.answer(400, kInvalidGrant);
    (void)fetch();
    turn();
    BOOST_TEST(log.count("event=account_needs_user") == 2U);  // it had been well in between
}

BOOST_AUTO_TEST_CASE(a_crash_in_the_middle_is_named) {
    generic_provider();
    login().attempt_at = time.wall() - 3600s;  // an agent before this one began it
    client.answer(400, kInvalidGrant);
    const auto shown = fetch();
    turn();
    const std::string& message = error(shown).answer.message;
    BOOST_TEST((error(shown).answer.failure_class == FailureClass::NeedsUser));
    BOOST_TEST(message.find("the agent was stopped, or an answer was lost") != std::string::npos);
    BOOST_TEST(message.find("2027-01-15 07:00 UTC") != std::string::npos, message);
    BOOST_TEST(message.find("postbearer login alice@contoso.com") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(where_old_refresh_tokens_are_taken_the_provider_s_reason_comes_first) {
    login().attempt_at = time.wall() - 3600s;
    client.answer(400, R"({"error":"invalid_grant","error_codes":[50173]})");
    const auto shown = fetch();
    turn();
    const std::string& message = error(shown).answer.message;
    BOOST_TEST(error(shown).answer.hint == "AADSTS50173");
    BOOST_TEST(message.find("AADSTS50173") < message.find("the agent was stopped"), message);
}

BOOST_AUTO_TEST_CASE(a_refusal_without_a_crash_does_not_speak_of_one) {
    generic_provider();
    client.answer(400, kInvalidGrant);
    const auto shown = fetch();
    turn();
    BOOST_TEST(error(shown).answer.message.find("was stopped") == std::string::npos);
    BOOST_TEST(!login().attempt_at.has_value());  // its end is known
    client.fail(Errc::Timeout, "no answer in time");
    (void)fetch();
    turn();
    BOOST_TEST(login().attempt_at.has_value());  // its end is not
    client.answer(400, kInvalidGrant);
    const auto later = fetch();
    turn();
    BOOST_TEST(error(later).answer.message.find("an answer was lost") != std::string::npos);
}

// ---- a store that cannot be written

BOOST_AUTO_TEST_CASE(no_rotating_renewal_begins_while_the_old_token_lasts) {
    store_breaks();
    const auto shown = fetch(Resource::Smtp, true);
    turn();
    BOOST_TEST((error(shown).answer.code == FailureCode::StoreUnwritable));
    BOOST_TEST((error(shown).answer.failure_class == FailureClass::Transient));
    BOOST_TEST(error(shown).answer.message.find("the disk is full") != std::string::npos);
    BOOST_TEST(client.seen().empty());
    BOOST_TEST(log.count("event=store_unwritable") == 1U);
    BOOST_TEST(!source->store_trouble().empty());
}

BOOST_AUTO_TEST_CASE(a_provider_that_keeps_its_refresh_token_is_asked_all_the_same) {
    login().rotates = false;
    store_breaks();
    client.answer(200, answer_with("at-1"));
    const auto shown = fetch(Resource::Smtp, true);
    turn();
    BOOST_TEST(token(shown) == "at-1");
    BOOST_TEST(source->unsaved() == 0U);
}

BOOST_AUTO_TEST_CASE(the_new_pair_is_kept_in_memory_and_written_when_that_is_possible) {
    store_breaks();
    client.answer(200, answer_with("at-1", "rt-2"));
    const auto first = fetch();
    turn();
    BOOST_TEST(token(first) == "at-1");
    BOOST_TEST(login().token == "rt-1");
    BOOST_TEST(source->unsaved() == 1U);
    BOOST_TEST(log.count("event=refresh_token_not_saved account=alice@contoso.com") == 1U);

    client.answer(200, answer_with("at-2", "rt-3"));
    const auto second = fetch();  // by the one in memory
    turn();
    BOOST_TEST(token(second) == "at-2");
    BOOST_TEST(client.seen().back().body.find("refresh_token=rt-2") != std::string::npos);

    time.advance(10s);
    BOOST_TEST(login().token == "rt-1");
    store.write_error.reset();
    time.advance(10s);
    BOOST_TEST(login().token == "rt-3");
    BOOST_TEST(source->unsaved() == 0U);
    BOOST_TEST(source->store_trouble().empty());
    BOOST_TEST(log.count("event=refresh_token_saved") == 1U);
    client.answer(200, answer_with("at-3", "rt-4"));
    (void)fetch();
    turn();
    BOOST_TEST(client.seen().back().body.find("refresh_token=rt-3") != std::string::npos);
    BOOST_TEST(login().token == "rt-4");
}

BOOST_AUTO_TEST_CASE(a_disk_that_comes_back_between_the_saves_loses_nothing) {
    store_breaks();
    client.answer(200, answer_with("at-1", "rt-2"));
    (void)fetch();
    turn();
    store.write_error.reset();
    client.answer(200, answer_with("at-2", "rt-3"));
    (void)fetch();  // before the timer
    turn();
    BOOST_TEST(client.seen().back().body.find("refresh_token=rt-2") != std::string::npos);
    BOOST_TEST(login().token == "rt-3");
    BOOST_TEST(login().generation == 3U);
    BOOST_TEST(source->unsaved() == 0U);
    time.advance(60s);
    BOOST_TEST(login().token == "rt-3");
}

BOOST_AUTO_TEST_CASE(the_end_of_the_agent_is_a_last_chance_to_write) {
    store_breaks();
    client.answer(200, answer_with("at-1", "rt-2"));
    (void)fetch();
    turn();
    store.write_error.reset();
    source.reset();
    BOOST_TEST(login().token == "rt-2");
}

BOOST_AUTO_TEST_CASE(a_new_login_outweighs_what_was_in_memory) {
    store_breaks();
    client.answer(200, answer_with("at-1", "rt-2"));
    (void)fetch();
    turn();
    store.write_error.reset();
    NewLogin fresh;
    fresh.refresh_token = Secret("rt-new");
    BOOST_REQUIRE(store.put_login({"contoso", kAlice, "client"}, fresh).has_value());
    source->account_changed("contoso", kAlice);
    time.advance(20s);
    BOOST_TEST(login().token == "rt-new");
    BOOST_TEST(source->unsaved() == 0U);
}

BOOST_AUTO_TEST_CASE(a_login_that_comes_during_a_renewal_wins) {
    const auto shown = fetch();
    time.run_due();
    time.run_due();
    BOOST_REQUIRE(client.waiting() == 1U);
    NewLogin fresh;
    fresh.refresh_token = Secret("rt-new");
    BOOST_REQUIRE(store.put_login({"contoso", kAlice, "client"}, fresh).has_value());
    client.answer(200, answer_with("at-old", "rt-2"));
    turn();
    BOOST_TEST((error(shown).answer.failure_class == FailureClass::Transient));
    BOOST_TEST(login().token == "rt-new");
}

BOOST_AUTO_TEST_CASE(a_new_refresh_token_beside_a_bad_access_token_is_kept) {
    const char* const answers[] = {
        R"({"access_token":"at","token_type":"Bearer","expires_in":-1,"refresh_token":"rt-2"})",
        R"({"access_token":"at","token_type":"mac","expires_in":60,"refresh_token":"rt-3"})",
        R"({"token_type":"Bearer","expires_in":60,"refresh_token":"rt-4"})"};
    int number = 2;
    for (const char* answer : answers) {
        client.answer(200, answer);
        const auto shown = fetch();
        turn();
        BOOST_TEST(!(*shown)->has_value());
        BOOST_TEST((error(shown).refresh_token == nullptr));  // nobody else sees it
        BOOST_TEST(login().token == "rt-" + std::to_string(number++));
    }
    store_breaks();
    client.answer(200, answers[0]);
    (void)fetch();
    turn();
    BOOST_TEST(source->unsaved() == 1U);
    store.write_error.reset();
    time.advance(10s);
    BOOST_TEST(login().token == "rt-2");
}

BOOST_AUTO_TEST_CASE(a_new_refresh_token_that_is_none_is_told) {
    client.answer(200, answer_with("at-1", "a\\u0001b"));
    const auto shown = fetch();
    turn();
    BOOST_TEST(token(shown) == "at-1");
    BOOST_TEST(login().token == "rt-1");
    BOOST_TEST(log.count("event=refresh_token_unusable account=alice@contoso.com") == 1U);
}

// ---- the end of the agent

BOOST_AUTO_TEST_CASE(a_stop_waits_for_what_is_at_the_provider_and_begins_nothing) {
    const auto first = fetch(Resource::Smtp);
    const auto second = fetch(Resource::Imap);
    time.run_due();
    time.run_due();
    BOOST_REQUIRE(client.waiting() == 1U);
    BOOST_TEST(source->busy());
    source->stop();
    client.answer(200, answer_with("at-1", "rt-2"));
    turn();
    BOOST_TEST(token(first) == "at-1");
    BOOST_TEST(login().token == "rt-2");
    BOOST_TEST((error(second).answer.failure_class == FailureClass::Transient));
    BOOST_TEST(client.seen().size() == 1U);
    BOOST_TEST(!source->busy());
}

BOOST_AUTO_TEST_CASE(what_is_in_memory_only_keeps_it_busy) {
    BOOST_TEST(!source->busy());
    store_breaks();
    client.answer(200, answer_with("at-1", "rt-2"));
    (void)fetch();
    turn();
    BOOST_TEST(source->busy());
    store.write_error.reset();
    time.advance(10s);
    BOOST_TEST(!source->busy());
}

// ---- what is written beside it

BOOST_AUTO_TEST_CASE(the_access_token_is_stored_with_its_scope) {
    client.answer(200, answer_with("at-1", "rt-2"));
    (void)fetch();
    turn();
    BOOST_TEST((store.access[{kPlace, Resource::Smtp}]) == "at-1");
    config->store_access_tokens = false;
    store.access.clear();
    client.answer(200, answer_with("at-2", "rt-3"));
    (void)fetch();
    turn();
    BOOST_TEST(store.access.empty());
    BOOST_TEST(login().token == "rt-3");
}

BOOST_AUTO_TEST_CASE(no_token_reaches_the_log) {
    store_breaks();
    client.answer(200, answer_with("access-canary", "refresh-canary"));
    (void)fetch();
    client.answer(400, R"({"error":"invalid_grant","error_description":"rt-1 refresh-canary"})");
    (void)fetch();
    turn();
    for (const std::string& line : log.lines()) {
        BOOST_TEST(line.find("canary") == std::string::npos, line);
        BOOST_TEST(line.find("rt-1") == std::string::npos, line);
    }
}

BOOST_AUTO_TEST_CASE(nothing_stays_behind) {
    client.answer(200, answer_with("at-1", "rt-2"));
    (void)fetch();
    turn();
    source.reset();
    BOOST_TEST(time.pending() == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
