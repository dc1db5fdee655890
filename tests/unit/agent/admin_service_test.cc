// SPDX-License-Identifier: Apache-2.0
#include "token-agent/admin_service.hh"

#include <grp.h>
#include <json/reader.h>
#include <json/value.h>
#include <unistd.h>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>

#include "common/agent_protocol.hh"
#include "common/base64.hh"
#include "tests/unit/agent/token_keeper_fixture.hh"
#include "token-agent/admin_json.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace std::chrono_literals;
using protocol::FailureClass;
using protocol::FailureCode;

constexpr gid_t kNoGroup = 4'000'000;

/// Any group of this host that is not root's.
const group* some_group() {
    ::setgrent();  // NOLINT(concurrency-mt-unsafe): one thread
    const group* entry = nullptr;
    do {
        entry = ::getgrent();  // NOLINT(concurrency-mt-unsafe)
    } while (entry != nullptr && entry->gr_gid == 0);
    return entry;
}

AgentConfig admin_config(std::size_t accounts = 3) {
    AgentConfig config = config_with({"contoso", "fabrikam"});
    config.files = {"/etc/postbearer/agent.toml"};
    for (std::size_t i = 0; i < accounts; ++i) {
        AccountRule rule;
        rule.match = "account" + std::to_string(i) + "@contoso.com";
        rule.line = static_cast<std::uint32_t>(10 + i);
        config.accounts.push_back(rule);
    }
    AccountRule alice;
    alice.match = "alice@contoso.com";
    alice.grant = Grant::Delegated;
    alice.line = 4;
    config.accounts.push_back(alice);
    return config;
}

std::shared_ptr<const Policy> policy_of(AgentConfig config) {
    return std::make_shared<const Policy>(std::make_shared<const AgentConfig>(std::move(config)));
}

struct AdminRoom : KeeperRoom {
    explicit AdminRoom(AgentConfig config = admin_config()) : policy(policy_of(std::move(config))) {
        keeper.emplace(TokenKeeper::Services{time, time, source, log, [] { return 0.5; }},
                       policy->config);
        tokens.emplace(*keeper, time, log, policy);
        admin.emplace(AdminService::Services{*keeper, *tokens, time, log,
                                             [this] {
                                                 ++reloads;
                                                 return reload_result;
                                             }},
                      policy);
    }

    static service::Peer peer(uid_t uid, std::vector<gid_t> groups = {}) {
        service::Peer result;
        result.uid = uid;
        result.groups = std::move(groups);
        return result;
    }
    std::string ask(const std::string& block, const service::Peer& who = peer(0)) {
        auto kept = std::make_shared<std::vector<std::string>>();
        admin->handle(who, block,
                      [kept](const Secret& answer) { kept->emplace_back(answer.reveal()); });
        last = kept;
        return kept->empty() ? "later" : kept->front();
    }
    std::string ask_verb(const std::string& verb, const std::string& json = "{}") {
        return ask("request=" + verb + "\njson=" + json + "\n\n");
    }
    /// The document of an answer that succeeded.
    static Json::Value document_of(const std::string& answer) {
        const auto attributes = protocol::Attributes::parse(answer);
        BOOST_REQUIRE(attributes.has_value());
        BOOST_TEST(attributes->value_or("status", "") == "ok");
        const std::string_view text = attributes->value_or("json", "");
        Json::Value json;
        std::string errors;
        const std::unique_ptr<Json::CharReader> reader(Json::CharReaderBuilder().newCharReader());
        BOOST_REQUIRE(reader->parse(text.data(), text.data() + text.size(), &json, &errors));
        BOOST_TEST(json["version"].asInt() == 1);
        return json;
    }

    std::shared_ptr<const Policy> policy;
    std::optional<TokenService> tokens;
    std::optional<AdminService> admin;
    AdminService::ReloadResult reload_result;
    int reloads = 0;
    std::shared_ptr<std::vector<std::string>> last;
};

BOOST_FIXTURE_TEST_SUITE(admin_service_test, AdminRoom)

BOOST_AUTO_TEST_CASE(only_root_may_unless_there_is_an_admin_group) {
    for (const char* verb :
         {"status", "list", "refresh", "inspect", "reload", "ping", "nonsense"}) {
        const std::string answer =
            ask("request=" + std::string(verb) + "\njson={}\n\n", peer(1000, {1000, kNoGroup}));
        BOOST_TEST(answer ==
                   "status=error\nclass=denied\ncode=access_denied\nmessage=uid 1000 may not "
                   "administer the agent; be root or a member of [agent] admin_group\n\n");
    }
    BOOST_TEST(log.count("event=admin_denied uid=1000") == 7U);
    BOOST_TEST(reloads == 0);
    BOOST_TEST(source.asked().empty());
}

BOOST_AUTO_TEST_CASE(members_of_the_admin_group_may) {
    const group* entry = some_group();
    BOOST_REQUIRE(entry != nullptr);
    AgentConfig config = admin_config();
    config.admin_group = entry->gr_name;
    admin->reload(policy_of(config));
    BOOST_TEST(ask("request=ping\n\n", peer(1000, {1000, entry->gr_gid})).starts_with("status=ok"));
    BOOST_TEST(ask("request=ping\n\n", peer(1000, {1000})).starts_with("status=error"));
    config.admin_group = "no-such-group-here";
    admin->reload(policy_of(config));
    BOOST_TEST(ask("request=ping\n\n", peer(1000, {entry->gr_gid})).starts_with("status=error"));
    BOOST_TEST(ask("request=ping\n\n").starts_with("status=ok"));
}

struct MalformedRow {
    const char* name;
    std::string block;
    const char* message;
};
std::ostream& operator<<(std::ostream& out, const MalformedRow& row) { return out << row.name; }
const MalformedRow kMalformed[] = {
    {"empty", "\n", "the agent knows no request of this name"},
    {"unknown verb", "request=token\njson={}\n\n", "the agent knows no request of this name"},
    {"no =", "request\n\n", "malformed request, line 1: no '=' in it"},
    {"no object", "request=status\njson=[]\n\n", "the json attribute is not one JSON object"},
    {"null", "request=status\njson=null\n\n", "the json attribute is not one JSON object"},
    {"half", "request=status\njson={\"a\":\n\n", "the json attribute is not one JSON object"},
    {"two", "request=status\njson={}{}\n\n", "the json attribute is not one JSON object"},
    {"comment", "request=status\njson={}//\n\n", "the json attribute is not one JSON object"},
    {"key twice", "request=status\njson={\"a\":1,\"a\":2}\n\n",
     "the json attribute is not one JSON object"},
    {"deep arrays", "request=status\njson={\"a\":" + std::string(100'000, '[') + "\n\n",
     "the json attribute is not one JSON object"},
    {"deep objects",
     "request=status\njson=" +
         [] {
             std::string text;
             for (int i = 0; i < 50'000; ++i) {
                 text += "{\"a\":";
             }
             return text;
         }() +
         "\n\n",
     "the json attribute is not one JSON object"},
    {"huge number", "request=status\njson={\"cursor\":1e999}\n\n",
     "the json attribute is not one JSON object"},
};
BOOST_DATA_TEST_CASE(malformed, boost::unit_test::data::make(kMalformed), row) {
    AdminRoom room;
    const std::string answer = room.ask(row.block);
    BOOST_TEST(answer.starts_with("status=error\nclass=bad_request\ncode=syntax\nmessage="));
    BOOST_TEST(answer.find(row.message) != std::string::npos, answer);
}

constexpr const char* kOddArguments[] = {R"({"account":7})",
                                         R"({"account":{"a":[]}})",
                                         R"({"cursor":-1})",
                                         R"({"cursor":18446744073709551615})",
                                         R"({"cursor":1e300})",
                                         R"({"cursor":"0"})",
                                         R"({"expiring_within":9223372036854775807})",
                                         R"({"expiring_within":-9223372036854775808})",
                                         R"({"expiring_within":"x","provider":[],"dry_run":"yes"})",
                                         R"({"resource":[1],"account":[2]})"};
BOOST_DATA_TEST_CASE(odd_arguments_are_survived, boost::unit_test::data::make(kOddArguments),
                     json) {
    AdminRoom room;
    for (const char* verb : {"status", "list", "refresh", "inspect"}) {
        const std::string answer = room.ask_verb(verb, json);
        BOOST_TEST((answer == "later" || answer.starts_with("status=")));
    }
}

BOOST_AUTO_TEST_CASE(ping) {
    BOOST_TEST(ask("request=ping\n\n") == "status=ok\nversion=" POSTBEARER_VERSION
                                          "\nprotocol=1\n\n");
}

BOOST_AUTO_TEST_CASE(status_before_any_token) {
    time.advance(90s);
    const Json::Value json = document_of(ask_verb("status"));
    BOOST_TEST(json["kind"].asString() == "status");
    BOOST_TEST(json["agent"]["version"].asString() == POSTBEARER_VERSION);
    BOOST_TEST(json["agent"]["uptime"].asInt() == 90);
    BOOST_TEST(json["agent"]["accounts"].asInt() == 4);
    for (const char* counter : {"handed_out", "denied", "failed"}) {
        BOOST_TEST(json["agent"][counter].asInt() == 0);
    }
    BOOST_REQUIRE(json["accounts"].size() == 4U);
    const Json::Value& row = json["accounts"][0];
    BOOST_TEST(row["account"].asString() == "account0@contoso.com");
    BOOST_TEST(row["rule"].asString() == "account0@contoso.com");
    BOOST_TEST(row["provider"].asString() == "contoso");
    BOOST_TEST(row["provider_type"].asString() == "oidc");
    BOOST_TEST(row["grant"].asString() == "client_credentials");
    BOOST_TEST(row["state"].asString() == "configured");
    BOOST_TEST(row["tokens"].isArray());
    BOOST_TEST(json["accounts"][3]["state"].asString() == "needs_user");
    BOOST_TEST(!json.isMember("next_cursor"));
    BOOST_TEST(source.asked().empty());
}

BOOST_AUTO_TEST_CASE(status_of_one_account_with_a_token) {
    stock("S3ntinel");
    time.advance(600s);
    const std::string answer = ask_verb("status", R"({"account":"Account1@Contoso.com"})");
    const Json::Value json = document_of(answer);
    BOOST_REQUIRE(json["accounts"].size() == 1U);
    const Json::Value& row = json["accounts"][0];
    BOOST_TEST(row["account"].asString() == "Account1@Contoso.com");
    BOOST_TEST(row["rule"].asString() == "account1@contoso.com");
    BOOST_TEST(row["state"].asString() == "active");
    const Json::Value& token = row["tokens"][0];
    BOOST_TEST(token["resource"].asString() == "smtp");
    BOOST_TEST(token["seconds_left"].asInt() == 3000);
    BOOST_TEST(token["renews_in"].asInt() == 1920);
    BOOST_TEST(token["fingerprint"].asString().size() == 8U);
    BOOST_TEST(token["expires_at"].asInt64() == (time.wall() + 3000s).time_since_epoch().count());
    BOOST_TEST(answer.find("S3ntinel") == std::string::npos);
    BOOST_TEST(ask_verb("status", R"({"account":"a@nowhere.test"})") ==
               "status=error\nclass=unknown_account\ncode=no_account\nmessage=no [[account]] rule "
               "matches a@nowhere.test\n\n");
}

struct StateRow {
    const char* name;
    bool has_token;
    std::optional<FailureClass> failure;
    const char* state;
};
std::ostream& operator<<(std::ostream& out, const StateRow& row) { return out << row.name; }
constexpr StateRow kStates[] = {
    {"renewing without a token", false, {}, "refreshing"},
    {"transient, token good", true, FailureClass::Transient, "degraded"},
    {"transient, no token", false, FailureClass::Transient, "stale"},
    {"needs_admin", true, FailureClass::NeedsAdmin, "needs_admin"},
    {"needs_user", false, FailureClass::NeedsUser, "needs_user"},
};
BOOST_DATA_TEST_CASE(states, boost::unit_test::data::make(kStates), row) {
    AdminRoom room;
    if (row.has_token) {
        room.stock();
    }
    (void)room.refresh();
    if (row.failure) {
        room.source.fail(*row.failure, FailureCode::InvalidClient);
    }
    const Json::Value json = document_of(room.ask_verb("status"));
    const Json::Value& account = json["accounts"][0];
    BOOST_TEST(account["state"].asString() == row.state);
    BOOST_TEST(account["tokens"][0]["state"].asString() == row.state);
    if (row.failure) {
        const Json::Value& error = account["tokens"][0]["last_error"];
        BOOST_TEST(error["class"].asString() == std::string(name_of(*row.failure)));
        BOOST_TEST(error["code"].asString() == "invalid_client");
        BOOST_TEST(error["message"].asString() == "provider 'contoso': it did not work");
        BOOST_TEST(account["tokens"][0]["failures"].asInt() == 1);
        BOOST_TEST(account["tokens"][0]["retry_in"].asInt() >= 1);
    }
}

BOOST_AUTO_TEST_CASE(list_tells_where_each_rule_stands) {
    const Json::Value json = document_of(ask_verb("list"));
    BOOST_TEST(json["kind"].asString() == "list");
    BOOST_REQUIRE(json["accounts"].size() == 4U);
    const Json::Value& row = json["accounts"][3];
    BOOST_TEST(row["account"].asString() == "alice@contoso.com");
    BOOST_TEST(row["provider"].asString() == "contoso");
    BOOST_TEST(row["grant"].asString() == "delegated");
    BOOST_TEST(row["where"].asString() == "/etc/postbearer/agent.toml:4");
}

/// All pages of `verb`, each below the limit.
std::size_t count_paged_rows(AdminRoom& room, const std::string& verb) {
    std::size_t rows = 0;
    Json::UInt64 cursor = 0;
    for (int page = 0; page < 100; ++page) {
        const std::string answer =
            room.ask_verb(verb, "{\"cursor\":" + std::to_string(cursor) + "}");
        BOOST_TEST(answer.size() < protocol::kMaxAdminBytes);
        const Json::Value json = AdminRoom::document_of(answer);
        rows += json["accounts"].size();
        if (!json.isMember("next_cursor")) {
            return rows;
        }
        BOOST_TEST(json["next_cursor"].asUInt64() > cursor);
        cursor = json["next_cursor"].asUInt64();
    }
    return 0;
}

BOOST_AUTO_TEST_CASE(pages_of_many_accounts_stay_small) {
    AdminRoom room(admin_config(2499));
    BOOST_TEST(count_paged_rows(room, "status") == 2500U);
    BOOST_TEST(count_paged_rows(room, "list") == 2500U);
    BOOST_TEST(document_of(room.ask_verb("list"))["accounts"].size() == 1000U);
}

BOOST_AUTO_TEST_CASE(pages_stay_small_when_every_account_is_in_trouble) {
    AdminRoom room(admin_config(2499));
    for (const Resource resource : protocol::kResources) {
        (void)room.refresh(resource);
        FetchFailure failure;
        failure.answer.message = std::string(399, 'x');
        failure.trace_id = failure.correlation_id = std::string(36, 'x');
        room.source.answer(tl::unexpected(std::move(failure)));
    }
    BOOST_TEST(count_paged_rows(room, "status") == 2500U);
}

BOOST_AUTO_TEST_CASE(a_cursor_beyond_the_end_is_an_empty_last_page) {
    for (const char* cursor : {"4", "5", "18446744073709551615"}) {
        const Json::Value json =
            document_of(ask_verb("list", "{\"cursor\":" + std::string(cursor) + "}"));
        BOOST_TEST(json["accounts"].empty());
        BOOST_TEST(json["accounts"].isArray());
        BOOST_TEST(!json.isMember("next_cursor"));
    }
}

BOOST_AUTO_TEST_CASE(refresh_of_an_account_nobody_asked_for_yet) {
    BOOST_TEST(ask_verb("refresh", R"({"account":"account0@contoso.com"})") == "later");
    source.give("first");
    BOOST_REQUIRE(last->size() == 1U);
    const Json::Value json = document_of(last->front());
    BOOST_TEST(json["kind"].asString() == "refresh");
    BOOST_REQUIRE(json["results"].size() == 1U);
    const Json::Value& row = json["results"][0];
    BOOST_TEST(row["ok"].asBool());
    BOOST_TEST(row["provider"].asString() == "contoso");
    BOOST_TEST(row["resource"].asString() == "smtp");
    BOOST_TEST(row["fingerprint"].asString() == "a7937b64");
    BOOST_TEST(row["expires_at"].asInt64() == (time.wall() + 3600s).time_since_epoch().count());
}

BOOST_AUTO_TEST_CASE(refresh_of_all_answers_once_when_the_last_has_ended) {
    stock();
    TokenWish graph = wish();
    graph.resource = Resource::Graph;
    (void)get(graph);
    source.give("graph");
    BOOST_TEST(ask_verb("refresh") == "later");
    source.give("second");
    BOOST_TEST(last->empty());
    source.fail(FailureClass::NeedsAdmin, FailureCode::InvalidScope);
    BOOST_REQUIRE(last->size() == 1U);
    const Json::Value json = document_of(last->front());
    BOOST_REQUIRE(json["results"].size() == 2U);
    BOOST_TEST(!json["results"][1]["ok"].asBool());
    BOOST_TEST(json["results"][1]["error"]["code"].asString() == "invalid_scope");
}

BOOST_AUTO_TEST_CASE(refresh_with_nothing_to_do_answers_at_once) {
    BOOST_TEST(document_of(ask_verb("refresh"))["results"].empty());
    stock();
    for (const char* arguments : {R"({"provider":"fabrikam"})", R"({"expiring_within":600})",
                                  R"({"expiring_within":0})", R"({"expiring_within":-5})"}) {
        const Json::Value json = document_of(ask_verb("refresh", arguments));
        BOOST_TEST(json["results"].isArray());
        BOOST_TEST(json["results"].empty());
    }
    BOOST_TEST(source.asked().size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_dry_run_names_and_does_nothing) {
    stock();
    const Json::Value json =
        document_of(ask_verb("refresh", R"({"dry_run":true,"expiring_within":7200})"));
    BOOST_REQUIRE(json["results"].size() == 1U);
    BOOST_TEST(json["results"][0]["provider"].asString() == "contoso");
    BOOST_TEST(!json["results"][0].isMember("ok"));
    BOOST_TEST(source.asked().size() == 1U);
}

BOOST_AUTO_TEST_CASE(refresh_gives_up_after_thirty_seconds) {
    (void)ask_verb("refresh", R"({"account":"account0@contoso.com"})");
    time.advance(30s);
    BOOST_REQUIRE(last->size() == 1U);
    BOOST_TEST(!document_of(last->front())["results"][0]["ok"].asBool());
}

struct TokenRow {
    const char* name;
    const char* token;  // header.payload.signature where it is a JWT
    const char* type;
    const char* audience;
};
std::ostream& operator<<(std::ostream& out, const TokenRow& row) { return out << row.name; }
constexpr TokenRow kTokens[] = {
    {"JWT", "e30.eyJhdWQiOiJodHRwczovL2dyYXBoIiwic2VjcmV0IjoiUzNudGluZWwifQ.c2ln", "JWT",
     "https://graph"},
    {"opaque", "opaque-S3ntinel", "opaque", ""},
    {"payload is no base64", "a.!!!.c", "opaque", ""},
    {"payload is no JSON", "a.Zm9v.c", "opaque", ""},
    {"payload is an array", "a.W10.c", "opaque", ""},
    {"only two parts", "a.e30", "opaque", ""},
    {"dots only", "...", "opaque", ""},
};
BOOST_DATA_TEST_CASE(inspect_shows_claims_never_the_token, boost::unit_test::data::make(kTokens),
                     row) {
    AdminRoom room;
    BOOST_TEST(
        room.ask_verb("inspect", R"({"account":"account0@contoso.com","resource":"graph"})") ==
        "later");
    room.source.give(row.token);
    BOOST_REQUIRE(room.last->size() == 1U);
    const Json::Value json = document_of(room.last->front());
    BOOST_TEST(json["kind"].asString() == "token_test");
    BOOST_TEST(json["resource"].asString() == "graph");
    BOOST_TEST(json["token"]["type"].asString() == row.type);
    BOOST_TEST(json["token"]["claims"]["aud"].asString() == row.audience);
    BOOST_TEST(json["token"]["seconds_left"].asInt() == 3600);
    BOOST_TEST(room.last->front().find(row.token) == std::string::npos);
    BOOST_TEST(room.last->front().find("S3ntinel") == std::string::npos);
}

/// {"aud":["a\u001b[2J",{"x":1},["y"],7,"b"],"exp":7,"upn":{"x":1},"ver":true,"iss":"i\u0007"}
BOOST_AUTO_TEST_CASE(claims_are_plain_words_and_numbers) {
    const std::string payload =
        R"({"aud":["a\u001b[2J",{"x":1},["y"],7,"b"],"exp":7,"upn":{"x":1},"ver":true,"iss":"i\u0007"})";
    const WipedBytes encoded = base64url_encode(payload);
    const Json::Value json = claims_json(Secret("e30." + std::string(view(encoded)) + ".c2ln"));
    BOOST_TEST(compact(json) ==
               R"({"claims":{"aud":["a?[2J","b"],"exp":7,"iss":"i?","ver":true},"type":"JWT"})");
}

struct InspectRow {
    const char* name;
    const char* arguments;
    const char* failure_class;
};
std::ostream& operator<<(std::ostream& out, const InspectRow& row) { return out << row.name; }
constexpr InspectRow kInspects[] = {
    {"no resource", R"({"account":"account0@contoso.com"})", "bad_request"},
    {"odd resource", R"({"account":"account0@contoso.com","resource":"http"})", "bad_request"},
    {"no account", R"({"resource":"smtp"})", "unknown_account"},
    {"unknown account", R"({"account":"x@y.test","resource":"smtp"})", "unknown_account"},
};
BOOST_DATA_TEST_CASE(inspect_refuses, boost::unit_test::data::make(kInspects), row) {
    AdminRoom room;
    BOOST_TEST(room.ask_verb("inspect", row.arguments)
                   .starts_with("status=error\nclass=" + std::string(row.failure_class)));
    BOOST_TEST(room.source.asked().empty());
}

BOOST_AUTO_TEST_CASE(reload_says_what_is_wrong) {
    reload_result = std::vector<std::string>{"agent.toml:1:1: a warning"};
    Json::Value json = document_of(ask_verb("reload"));
    BOOST_TEST(json["kind"].asString() == "reload");
    BOOST_TEST(json["ok"].asBool());
    BOOST_TEST(json["warnings"][0].asString() == "agent.toml:1:1: a warning");
    reload_result = tl::unexpected(std::vector<std::string>{"agent.toml:2:1: an error"});
    json = document_of(ask_verb("reload"));
    BOOST_TEST(!json["ok"].asBool());
    BOOST_TEST(json["errors"][0].asString() == "agent.toml:2:1: an error");
    BOOST_TEST(reloads == 2);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
