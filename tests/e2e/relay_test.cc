// SPDX-License-Identifier: Apache-2.0
// One message through everything: chroot on and off, both mechanisms. The `plugin_` cases stand a
// canned agent in, so that a fault shows on which side it is.
#include <boost/test/unit_test.hpp>

#include "tests/e2e/expectations.hh"
#include "tests/support/canned_agent.hh"

using namespace postbearer::test;

namespace {

ChainSettings settings_for(bool chroot, const std::string& mechanism) {
    ChainSettings settings;
    settings.chroot = chroot;
    settings.mechanism = mechanism;
    return settings;
}

/// One message; what the server's log, the judge and the mailbox say about it.
void check_one_message(Chain& chain, const std::string& wire_mechanism) {
    chain.send("hello 1");
    chain.mailboxes().wait_for("alice@example.test", 1);
    chain.client().wait_until_empty();
    check_each_once(chain.mailboxes(), "alice@example.test", "hello", 1);
    BOOST_TEST(chain.server().log().count("sasl_method=" + wire_mechanism +
                                          ", sasl_username=relay@contoso\\.test") == 1U);
    BOOST_TEST(chain.client().log().count("status=sent \\(250 ") == 1U);
    const Json::Value auth = chain.rehearsal().auth();
    BOOST_REQUIRE_EQUAL(auth.size(), 1U);
    BOOST_TEST(auth[0]["result"].asString() == "ok");
    BOOST_TEST(auth[0]["mechanism"].asString() == wire_mechanism);
    // SASL_FEAT_SERVER_FIRST: the token is never part of a command line.
    BOOST_TEST(!auth[0]["initial_response"].asBool());
    check_no_crash(chain.client().log());
}

void relay_through_plugin(bool chroot, const std::string& mechanism, const std::string& wire) {
    Chain chain(settings_for(chroot, mechanism));
    chain.start_without_agent();
    const std::string token =
        chain.rehearsal().mint(json_of(R"({"client_id":")" + std::string(kClientId) +
                                       R"(","tenant":")" + std::string(kTenant) + "\"}"));
    const CannedAgent agent(chain.agent_socket(), [&token](const AgentAttributes& request) {
        return granted(token, request.at("account"));
    });
    check_one_message(chain, wire);
    const std::vector<AgentAttributes> requests = agent.requests();
    BOOST_REQUIRE_EQUAL(requests.size(), 1U);
    BOOST_TEST(requests[0].at("request") == "token");
    BOOST_TEST(requests[0].at("account") == kRelayAccount);
    BOOST_TEST(requests[0].at("resource") == "smtp");
    BOOST_TEST(requests[0].at("host") == "localhost");
    BOOST_TEST(requests[0].at("wait_ms") == "8000");
    chain.stop();
}

void relay_through_all(bool chroot, const std::string& mechanism, const std::string& wire) {
    Chain chain(settings_for(chroot, mechanism));
    chain.start();
    check_one_message(chain, wire);
    BOOST_TEST(chain.rehearsal().counter("token_requests") == 1U);
    chain.stop();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(relay_test)

BOOST_AUTO_TEST_CASE(plugin_xoauth2_chrooted) { relay_through_plugin(true, "xoauth2", "XOAUTH2"); }

BOOST_AUTO_TEST_CASE(plugin_xoauth2_unchrooted) {
    relay_through_plugin(false, "xoauth2", "XOAUTH2");
}

BOOST_AUTO_TEST_CASE(plugin_oauthbearer_chrooted) {
    relay_through_plugin(true, "oauthbearer", "OAUTHBEARER");
}

BOOST_AUTO_TEST_CASE(plugin_oauthbearer_unchrooted) {
    relay_through_plugin(false, "oauthbearer", "OAUTHBEARER");
}

BOOST_AUTO_TEST_CASE(xoauth2_chrooted) { relay_through_all(true, "xoauth2", "XOAUTH2"); }

BOOST_AUTO_TEST_CASE(xoauth2_unchrooted) { relay_through_all(false, "xoauth2", "XOAUTH2"); }

BOOST_AUTO_TEST_CASE(oauthbearer_chrooted) {
    relay_through_all(true, "oauthbearer", "OAUTHBEARER");
}

BOOST_AUTO_TEST_CASE(oauthbearer_unchrooted) {
    relay_through_all(false, "oauthbearer", "OAUTHBEARER");
}

BOOST_AUTO_TEST_SUITE_END()
