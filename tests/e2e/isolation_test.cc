// SPDX-License-Identifier: Apache-2.0
// What goes wrong with one account or relay stays there: the settings of our snippets do that.
#include <boost/test/unit_test.hpp>

#include "tests/e2e/expectations.hh"

using namespace postbearer::test;

BOOST_AUTO_TEST_SUITE(isolation_test)

BOOST_AUTO_TEST_CASE(a_broken_account_does_not_stop_a_good_one) {
    constexpr std::size_t kEach = 20;
    ChainSettings settings;
    settings.senders = {"good@contoso.test", "broken@broken.test"};
    Chain chain(std::move(settings));
    chain.start_without_agent();
    AgentSettings& agent = chain.prepare_agent().settings();
    AgentProvider wrong = agent.providers[0];
    wrong.name = "wrong";
    wrong.secret = "not the secret";
    agent.providers.push_back(wrong);
    agent.accounts.push_back({.match = "@broken.test", .provider = "wrong"});
    chain.agent().start();
    chain.hold();
    for (std::size_t i = 1; i <= kEach; ++i) {
        chain.send("broken " + std::to_string(i), "broken@broken.test", "bob@example.test");
        chain.send("good " + std::to_string(i), "good@contoso.test");
    }
    wait_until("all of it to be held", [&] { return chain.all_deferred(); });
    LogWatch log = chain.client().log();
    log.mark();
    chain.release();
    chain.mailboxes().wait_for("alice@example.test", kEach);
    check_each_once(chain.mailboxes(), "alice@example.test", "good", kEach);
    log.wait_for_count(kEach, "to=<bob@example\\.test>.*status=deferred");
    BOOST_TEST(log.count("to=<alice@example\\.test>.*status=deferred") == 0U);
    BOOST_TEST(log.count("delivery temporarily suspended") == 0U);
    BOOST_TEST(chain.mailboxes().count("bob@example.test") == 0U);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(a_password_relay_beside_the_oauth_transport) {
    ChainSettings settings;
    settings.sasl_modules = {"libplain.so"};
    Chain chain(std::move(settings));
    chain.start_without_agent();
    // The other relay: real Dovecot with a password.
    DovecotInstance dovecot({.directory = chain.directory() / "dovecot",
                             .certificate = chain.rehearsal().certificate(),
                             .key = chain.rehearsal().key(),
                             .passwords = {{"shop@plain.test", "pass word"}}});
    dovecot.start();
    SmtpServer plain({.directory = chain.directory() / "plain",
                      .name = "plain",
                      .certificate = chain.rehearsal().certificate(),
                      .key = chain.rehearsal().key(),
                      .auth_socket = dovecot.auth_socket()});
    plain.start();
    PostfixInstance& client = chain.client();
    const std::string oauth = chain.server().nexthop();
    client.set("relayhost", plain.nexthop());
    client.set("smtp_sasl_mechanism_filter", "plain, login");
    client.set("smtp_tls_security_level", "encrypt");
    client.set("smtp_sasl_tls_security_options", "noanonymous");
    client.set("sender_dependent_default_transport_maps",
               "inline:{ relay@contoso.test=oauth:" + oauth + " }");
    client.set("oauth_destination_concurrency_failed_cohort_limit", "0");
    client.add_service(
        "oauth unix - - y - - smtp\n"
        "  -o smtp_sasl_mechanism_filter=xoauth2\n"
        "  -o smtp_tls_security_level=secure\n"
        "  -o smtp_sasl_tls_verified_security_options=noanonymous\n"
        "  -o syslog_name=postfix/oauth");
    write_file(client.configuration() / "sasl_passwd",
               "shop@plain.test shop@plain.test:pass word\n" + oauth + " " + kRelayAccount + "\n",
               0600);
    client.reload();
    chain.prepare_agent().start();
    chain.send("plain 1", "shop@plain.test", "alice@example.test");
    chain.send("oauth 1", kRelayAccount, "alice@example.test");
    plain.mailboxes().wait_for("alice@example.test", 1);
    chain.mailboxes().wait_for("alice@example.test", 1);
    client.wait_until_empty();
    check_each_once(plain.mailboxes(), "alice@example.test", "plain", 1);
    check_each_once(chain.mailboxes(), "alice@example.test", "oauth", 1);
    BOOST_TEST(plain.log().count("sasl_method=PLAIN, sasl_username=shop@plain\\.test") == 1U);
    BOOST_TEST(chain.server().log().count(
                   "sasl_method=XOAUTH2, sasl_username=relay@contoso\\.test") == 1U);
    BOOST_TEST(chain.agent().log().count("event=token_handed_out") == 1U);
    chain.stop();
    plain.stop();
}

BOOST_AUTO_TEST_CASE(two_instances_with_two_agents) {
    Chain first;
    Chain second({.chroot = false});
    first.start();
    second.start();
    first.send_many("first", 5);
    second.send_many("second", 5);
    for (Chain* chain : {&first, &second}) {
        chain->mailboxes().wait_for("alice@example.test", 5);
        chain->client().wait_until_empty();
        BOOST_TEST(chain->rehearsal().counter("token_requests") == 1U);
        BOOST_TEST(chain->client().log().count("status=(deferred|bounced)") == 0U);
    }
    check_each_once(first.mailboxes(), "alice@example.test", "first", 5);
    check_each_once(second.mailboxes(), "alice@example.test", "second", 5);
    // Each plugin asked the agent below its own queue directory, and only that.
    first.agent().stop();
    second.send("second 6");
    second.mailboxes().wait_for("alice@example.test", 6);
    first.stop();
    second.stop();
}

BOOST_AUTO_TEST_SUITE_END()
