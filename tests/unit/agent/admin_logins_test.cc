// SPDX-License-Identifier: Apache-2.0
// The admin socket where there is a store: status, refresh, rekey, export and import of logins.
#include <json/reader.h>
#include <json/value.h>

#include <boost/test/unit_test.hpp>

#include "common/agent_protocol.hh"
#include "tests/support/memory_store.hh"
#include "tests/unit/agent/token_keeper_fixture.hh"
#include "token-agent/admin_service.hh"
#include "token-agent/admin_store.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace std::chrono_literals;
using protocol::FailureClass;
using protocol::FailureCode;

AgentConfig login_config() {
    AgentConfig config = config_with({"contoso", "fabrikam"});
    config.files = {"/etc/postbearer/agent.toml"};
    const auto rule = [&config](const char* match, Grant grant, const char* login = "") {
        AccountRule account;
        account.match = match;
        account.grant = grant;
        account.login = login;
        config.accounts.push_back(account);
    };
    rule("relay@contoso.com", Grant::ClientCredentials);
    rule("alice@contoso.com", Grant::Delegated);
    rule("shared@contoso.com", Grant::Delegated, "Alice@contoso.com");
    rule("@contoso.com", Grant::Delegated);
    return config;
}

struct LoginsRoom : KeeperRoom {
    LoginsRoom()
        : policy(
              std::make_shared<const Policy>(std::make_shared<const AgentConfig>(login_config()))) {
        keeper.emplace(TokenKeeper::Services{time, time, source, log, [] { return 0.5; }},
                       policy->config);
        tokens.emplace(*keeper, time, log, policy);
        admin_store.emplace(AdminStore::Services{
            &queue, time, time, log, [this](const std::string& provider, const std::string& login) {
                changed.push_back(provider + " " + login);
            }});
        AdminService::Services services{*keeper, *tokens, time, log,
                                        [] { return AdminService::ReloadResult(); }};
        services.store = &queue;
        services.others = [this](std::string_view verb, const Json::Value& arguments,
                                 const service::Peer& peer, const Reply& reply) {
            return admin_store->handle(verb, arguments, peer, reply);
        };
        admin.emplace(std::move(services), policy);
    }
    void login(const std::string& account, const std::string& token = "S3ntinel-rt") {
        test::MemoryStore::Login& login = store.logins[{"contoso", account}];
        login.client_id = "client of contoso";
        login.token = token;
        login.user = "Signed In";
        login.generation = 3;
        login.logged_in_at = time.wall() - 24h;
        login.used_at = time.wall() - 1h;
    }
    std::string ask(const std::string& verb, const std::string& json = "{}", uid_t uid = 0) {
        auto kept = std::make_shared<std::vector<std::string>>();
        service::Peer peer;
        peer.uid = uid;
        admin->handle(peer, "request=" + verb + "\njson=" + json + "\n\n",
                      [kept](const Secret& answer) { kept->emplace_back(answer.reveal()); });
        last = kept;
        time.run_due();
        return kept->size() == 1U ? kept->front() : "later";
    }
    static Json::Value document_of(const std::string& answer) {
        const auto attributes = protocol::Attributes::parse(answer);
        BOOST_REQUIRE(attributes.has_value());
        BOOST_TEST(attributes->value_or("status", "") == "ok", answer);
        const std::string_view text = attributes->value_or("json", "{}");
        Json::Value json;
        std::string errors;
        const std::unique_ptr<Json::CharReader> reader(Json::CharReaderBuilder().newCharReader());
        BOOST_REQUIRE(reader->parse(text.data(), text.data() + text.size(), &json, &errors));
        return json;
    }

    test::MemoryStore store;
    test::ManualQueue queue{store, time};
    std::shared_ptr<const Policy> policy;
    std::optional<TokenService> tokens;
    std::optional<AdminStore> admin_store;
    std::optional<AdminService> admin;
    std::vector<std::string> changed;
    std::shared_ptr<std::vector<std::string>> last;
};

constexpr const char* kPass = R"("passphrase":"correct horse battery")";

}  // namespace

BOOST_FIXTURE_TEST_SUITE(admin_logins_test, LoginsRoom)

BOOST_AUTO_TEST_CASE(status_tells_who_has_logged_in) {
    login("alice@contoso.com");
    const Json::Value json = document_of(ask("status"));
    BOOST_REQUIRE(json["accounts"].size() == 4U);
    const Json::Value& alice = json["accounts"][1];
    BOOST_TEST(alice["state"].asString() == "configured");
    BOOST_TEST(alice["login"].asString() == "alice@contoso.com");
    BOOST_TEST(alice["signed_in_user"].asString() == "Signed In");
    BOOST_TEST(alice["generation"].asUInt() == 3U);
    BOOST_TEST(alice["logged_in_at"].asInt64() == (time.wall() - 24h).time_since_epoch().count());
    const Json::Value& shared = json["accounts"][2];
    BOOST_TEST(shared["login"].asString() == "Alice@contoso.com");
    BOOST_TEST(shared.isMember("logged_in_at"));
    BOOST_TEST(last->front().find("S3ntinel") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(an_account_without_a_login_needs_its_user) {
    const Json::Value json = document_of(ask("status", R"({"account":"bob@contoso.com"})"));
    BOOST_REQUIRE(json["accounts"].size() == 1U);
    BOOST_TEST(json["accounts"][0]["state"].asString() == "needs_user");
    BOOST_TEST(json["accounts"][0]["rule"].asString() == "@contoso.com");
    BOOST_TEST(!json["accounts"][0].isMember("logged_in_at"));
}

BOOST_AUTO_TEST_CASE(a_login_that_cannot_be_opened_says_why) {
    store.read_error = Error{Errc::Protocol, "the record is damaged"};
    const Json::Value json = document_of(ask("status", R"({"account":"alice@contoso.com"})"));
    BOOST_TEST(json["accounts"][0]["state"].asString() == "needs_user");
    BOOST_TEST(json["accounts"][0]["login_trouble"].asString() == "the record is damaged");
}

BOOST_AUTO_TEST_CASE(logins_that_only_a_pattern_covers_come_after_the_rules) {
    login("alice@contoso.com");
    login("bob@contoso.com");
    login("carol@elsewhere.test");  // no rule of today's
    const Json::Value rules = document_of(ask("status"));
    BOOST_REQUIRE(rules["next_cursor"].isString());
    const Json::Value more =
        document_of(ask("status", R"({"cursor":")" + rules["next_cursor"].asString() + "\"}"));
    BOOST_REQUIRE(more["accounts"].size() == 1U);  // alice has had her row
    BOOST_TEST(more["accounts"][0]["account"].asString() == "bob@contoso.com");
    BOOST_TEST(!more.isMember("next_cursor"));
}

BOOST_AUTO_TEST_CASE(refresh_of_all_goes_on_to_logins_that_nobody_has_used) {
    login("alice@contoso.com");
    login("bob@contoso.com");
    const Json::Value first = document_of(ask("refresh"));
    BOOST_TEST(first["results"].empty());
    BOOST_REQUIRE(first["next_cursor"].isString());
    const std::string cursor = R"({"cursor":")" + first["next_cursor"].asString() + "\"}";
    const Json::Value dry = document_of(
        ask("refresh", R"({"dry_run":true,"cursor":")" + first["next_cursor"].asString() + "\"}"));
    BOOST_TEST(dry["results"].size() == 2U);
    BOOST_TEST(source.asked().empty());
    BOOST_TEST(ask("refresh", cursor) == "later");
    BOOST_REQUIRE(source.waiting() == 2U);
    source.give("a");
    source.fail(FailureClass::NeedsUser, FailureCode::InvalidGrant);
    BOOST_REQUIRE(last->size() == 1U);
    const Json::Value done = document_of(last->front());
    BOOST_REQUIRE(done["results"].size() == 2U);
    BOOST_TEST(done["results"][0]["account"].asString() == "alice@contoso.com");
    BOOST_TEST(done["results"][0]["ok"].asBool());
    BOOST_TEST(!done["results"][1]["ok"].asBool());
}

BOOST_AUTO_TEST_CASE(refresh_by_provider_leaves_the_others_alone) {
    login("alice@contoso.com");
    const Json::Value dry =
        document_of(ask("refresh", R"({"dry_run":true,"provider":"fabrikam","cursor":"logins:"})"));
    BOOST_TEST(dry["results"].empty());
}

BOOST_AUTO_TEST_CASE(an_export_can_be_imported) {
    login("alice@contoso.com", "S3ntinel-alice");
    login("bob@contoso.com", "S3ntinel-bob");
    const Json::Value page =
        document_of(ask("export", std::string("{") + kPass + R"(,"cursor":""})"));
    BOOST_TEST(page["logins"].asUInt() == 2U);
    BOOST_TEST(page["next"].asString().empty());
    BOOST_TEST(last->front().find("S3ntinel") == std::string::npos);
    const std::string chunk = page["chunk"].asString();
    store.logins.clear();
    const auto import = [&](const char* check, const std::string& pass = kPass) {
        return ask("import_export", "{" + pass + R"(,"chunk":")" + chunk +
                                        R"(","last":true,"check":)" + check + R"(,"state":null})");
    };
    BOOST_TEST(document_of(import("true"))["logins"].asUInt() == 0U);
    BOOST_TEST(store.logins.empty());  // only looked at
    BOOST_TEST(document_of(import("false"))["logins"].asUInt() == 2U);
    BOOST_TEST((store.logins[{"contoso", "bob@contoso.com"}].token) == "S3ntinel-bob");
    BOOST_TEST((store.logins[{"contoso", "bob@contoso.com"}].user) == "Signed In");
    const std::vector<std::string> expected{"contoso alice@contoso.com", "contoso bob@contoso.com"};
    BOOST_TEST(changed == expected, boost::test_tools::per_element());
    store.logins.clear();
    const std::string wrong = import("false", R"("passphrase":"another one, quite long")");
    BOOST_TEST(wrong.starts_with("status=error"));
    BOOST_TEST(wrong.find("passphrase") != std::string::npos, wrong);
    BOOST_TEST(store.logins.empty());
}

BOOST_AUTO_TEST_CASE(a_login_that_was_used_since_is_not_replaced_by_an_older_one) {
    login("alice@contoso.com", "older");
    const std::string chunk =
        document_of(ask("export", std::string("{") + kPass + R"(,"cursor":""})"))["chunk"]
            .asString();
    store.logins[{"contoso", "alice@contoso.com"}].token = "newer";
    store.logins[{"contoso", "alice@contoso.com"}].used_at = time.wall();
    const Json::Value json =
        document_of(ask("import_export", std::string("{") + kPass + R"(,"chunk":")" + chunk +
                                             R"(","last":true,"check":false,"state":null})"));
    BOOST_TEST(json["logins"].asUInt() == 0U);
    BOOST_REQUIRE(json["skipped"].size() == 1U);
    BOOST_TEST((store.logins[{"contoso", "alice@contoso.com"}].token) == "newer");
}

BOOST_AUTO_TEST_CASE(an_import_keeps_the_times_so_that_a_later_export_still_counts) {
    login("alice@contoso.com", "first");
    const auto export_now = [&] {
        return document_of(ask("export", std::string("{") + kPass + R"(,"cursor":""})"))["chunk"]
            .asString();
    };
    const auto import = [&](const std::string& chunk) {
        return document_of(
            ask("import_export", std::string("{") + kPass + R"(,"chunk":")" + chunk +
                                     R"(","last":true,"check":false,"state":null})"));
    };
    const std::string early = export_now();
    test::MemoryStore::Login& alice = store.logins[{"contoso", "alice@contoso.com"}];
    alice.token = "second";
    alice.used_at = time.wall() - 10min;
    const std::string late = export_now();
    store.logins.clear();
    BOOST_TEST(import(early)["logins"].asUInt() == 1U);
    BOOST_TEST(import(late)["logins"].asUInt() == 1U);
    BOOST_TEST((store.logins[{"contoso", "alice@contoso.com"}].token) == "second");
    BOOST_TEST(import(late)["logins"].asUInt() == 0U);  // as new as what is there
    BOOST_TEST(import(early)["logins"].asUInt() == 0U);
}

BOOST_AUTO_TEST_CASE(a_login_by_another_client_is_not_written_over) {
    login("alice@contoso.com", "old");
    const std::string chunk =
        document_of(ask("export", std::string("{") + kPass + R"(,"cursor":""})"))["chunk"]
            .asString();
    test::MemoryStore::Login& alice = store.logins[{"contoso", "alice@contoso.com"}];
    alice.client_id = "the new app";
    alice.token = "new";
    alice.used_at = time.wall() - 24h * 30;
    const Json::Value json =
        document_of(ask("import_export", std::string("{") + kPass + R"(,"chunk":")" + chunk +
                                             R"(","last":true,"check":false,"state":null})"));
    BOOST_TEST(json["logins"].asUInt() == 0U);
    BOOST_TEST(json["skipped"][0].asString().find("the new app") != std::string::npos);
    BOOST_TEST(alice.token == "new");
}

BOOST_AUTO_TEST_CASE(only_root_takes_logins_out_or_puts_them_in) {
    AdminStore own({&queue, time, time, log, [](const std::string&, const std::string&) {}});
    service::Peer member;  // of admin_group, which may do the rest
    member.uid = 1000;
    for (const char* verb : {"export", "import_export"}) {
        std::string answer;
        BOOST_TEST(own.handle(verb, Json::Value(Json::objectValue), member,
                              [&](const Secret& text) { answer = text.reveal(); }));
        BOOST_TEST(answer.starts_with("status=error\nclass=denied"));
    }
}

BOOST_AUTO_TEST_CASE(transfers_that_nobody_continues_are_forgotten) {
    for (int i = 0; i < 150; ++i) {
        login("user" + std::to_string(i) + "@contoso.com");
    }
    std::string cursor;
    for (std::size_t i = 0; i < AdminStore::kMaxTransfers; ++i) {
        cursor = document_of(ask("export", std::string("{") + kPass + R"(,"cursor":""})"))["next"]
                     .asString();
        BOOST_TEST(!cursor.empty());
    }
    BOOST_TEST(ask("export", std::string("{") + kPass + R"(,"cursor":""})")
                   .starts_with("status=error\nclass=transient"));
    time.advance(AdminStore::kPatience);
    BOOST_TEST(ask("export", std::string("{") + kPass + R"(,"cursor":")" + cursor + "\"}")
                   .starts_with("status=error\nclass=bad_request"));
    BOOST_TEST(
        ask("export", std::string("{") + kPass + R"(,"cursor":""})").starts_with("status=ok"));
}

BOOST_AUTO_TEST_CASE(without_a_store_the_verbs_say_what_to_set) {
    AdminStore none({nullptr, time, time, log, [](const std::string&, const std::string&) {}});
    std::string answer;
    BOOST_TEST(none.handle("rekey", Json::Value(Json::objectValue), service::Peer(),
                           [&](const Secret& text) { answer = text.reveal(); }));
    BOOST_TEST(answer.find("master_key") != std::string::npos);
    BOOST_TEST(!none.handle("status", Json::Value(Json::objectValue), service::Peer(),
                            [](const Secret&) {}));
}

BOOST_AUTO_TEST_SUITE_END()
