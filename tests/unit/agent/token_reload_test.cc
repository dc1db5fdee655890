// SPDX-License-Identifier: Apache-2.0

// TokenKeeper after a reload, and with more requests than a provider may have at a time
// (design 4.3).

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

BOOST_FIXTURE_TEST_SUITE(token_reload_test, KeeperRoom)

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
    {"managed identity",
     [](ProviderConfig& p) {
         ClientCredential credential;
         credential.kind = CredentialKind::ManagedIdentity;
         credential.identity = "1111";
         p.credentials.push_back(std::move(credential));
     },
     false},
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
