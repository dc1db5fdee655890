// SPDX-License-Identifier: Apache-2.0
// Each thing that an admin gets wrong, and each way a server refuses: the exact line of each in
// Postfix's log, and that the mail goes out once it is put right.
#include <boost/test/unit_test.hpp>

#include "tests/e2e/expectations.hh"

using namespace postbearer::test;

namespace {

std::string registration(const std::string& secret, bool expired) {
    return R"({"tenant":"contoso.test","mailboxes":["*@contoso.test"],"secrets":[{"value":")" +
           secret + R"(","expired":)" + (expired ? "true" : "false") + "}]}";
}

constexpr const char* kGoodSecret = "correct horse battery staple";

std::string deferred_with(const std::string& text) {
    return "status=deferred \\(SASL authentication failed; cannot authenticate to server "
           "localhost\\[127\\.0\\.0\\.1\\]: " +
           literally(text) + "\\)$";
}

/// Sends one message that must stay, with exactly these two lines.
void check_deferred(Chain& chain, const std::string& sender, const std::string& sentence,
                    const std::string& postfix_text) {
    chain.send("stays", sender);
    const LogWatch log = chain.client().log();
    (void)log.wait_for("status=(deferred|bounced|sent)");
    BOOST_TEST(log.count(sasl_warning(sentence)) == 1U, "not in the log: " << sentence);
    BOOST_TEST(log.count(deferred_with(postfix_text)) == 1U);
    BOOST_TEST(chain.client().queue().size() == 1U);
    check_no_token_came(chain.rehearsal());
    check_no_crash(log);
}

/// The server refuses the first token that way; the second attempt goes through.
void check_refused_once(Chain& chain, const std::string& refusal) {
    chain.start();
    chain.rehearsal().set_auth_policy(R"({"refusal":")" + refusal + R"(","refuse_next":1})");
    chain.send("again 1");
    (void)chain.client().log().wait_for("status=(deferred|bounced|sent)");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(refusal_test)

BOOST_AUTO_TEST_CASE(wrong_secret) {
    ChainSettings settings;
    settings.client_json = registration("another one", false);
    Chain chain(std::move(settings));
    chain.start();
    check_deferred(chain, kRelayAccount,
                   "account relay@contoso.test: provider 'rehearsal': wrong client secret "
                   "(AADSTS7000215). Use the secret's Value, not its Secret ID, then reload; a new "
                   "secret takes some minutes to work",
                   "authentication failure");
    chain.stop();
}

BOOST_AUTO_TEST_CASE(expired_secret) {
    ChainSettings settings;
    settings.client_json = registration(kGoodSecret, true);
    Chain chain(std::move(settings));
    chain.start();
    check_deferred(chain, kRelayAccount,
                   "account relay@contoso.test: provider 'rehearsal': client secret expired "
                   "(AADSTS7000222). Create a new secret or move to a certificate, then reload",
                   "authentication failure");
    chain.stop();
}

BOOST_AUTO_TEST_CASE(unknown_account) {
    ChainSettings settings;
    settings.senders = {"stranger@elsewhere.test"};
    Chain chain(std::move(settings));
    chain.start();
    check_deferred(chain, "stranger@elsewhere.test",
                   "no [[account]] rule matches stranger@elsewhere.test; add one to the agent's "
                   "configuration and reload, or mend the name in smtp_sasl_password_maps",
                   "user not found");
    BOOST_TEST(chain.rehearsal().counter("token_requests") == 0U);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(access_denied_to_another_uid) {
    Chain chain;
    chain.start_without_agent();
    chain.prepare_agent().settings().access = {AgentAccess{.subject = "user = \"nobody\""}};
    chain.agent().start();
    const std::string uid = std::to_string(uid_of("postfix"));
    check_deferred(chain, kRelayAccount,
                   "uid " + uid +
                       " may not use the smtp token of relay@contoso.test; add an [[access]] rule "
                       "for this uid to the agent's configuration and reload",
                   "authorization failure");
    BOOST_TEST(chain.agent().log().count("event=token_denied uid=" + uid +
                                         " pid=[0-9]+ account=relay@contoso\\.test "
                                         "resource=smtp class=denied code=access_denied") == 1U);
    BOOST_TEST(chain.rehearsal().counter("token_requests") == 0U);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(server_refuses_with_a_challenge) {
    Chain chain;
    check_refused_once(chain, "challenge");
    const LogWatch log = chain.client().log();
    BOOST_TEST(log.count(sasl_warning(
                   "the server refused the token for relay@contoso.test: "
                   R"({"schemes":"bearer",)"
                   R"("scope":"https://outlook.office365.com/","status":"401"})")) == 1U);
    BOOST_TEST(log.count("status=deferred \\(SASL authentication failed; server "
                         "localhost\\[127\\.0\\.0\\.1\\] said: 535 5\\.7\\.[38] ") == 1U);
    BOOST_TEST(chain.rehearsal().auth()[0]["challenge_answer"].asString() == "empty");
    (void)chain.agent().log().wait_for(
        "event=token_rejected .*account=relay@contoso\\.test .*action=refreshed");
    chain.client().flush();
    chain.mailboxes().wait_for("alice@example.test", 1);
    const Json::Value auth = chain.rehearsal().auth();
    BOOST_TEST(auth[0]["fingerprint"].asString() != auth[1]["fingerprint"].asString());
    chain.client().wait_until_empty();
    chain.stop();
}

BOOST_AUTO_TEST_CASE(server_refuses_directly) {
    Chain chain;
    check_refused_once(chain, "direct");
    const LogWatch log = chain.client().log();
    BOOST_TEST(log.count("status=deferred \\(SASL authentication failed; server "
                         "localhost\\[127\\.0\\.0\\.1\\] said: 535 5\\.7\\.[38] ") == 1U);
    chain.client().flush();
    chain.mailboxes().wait_for("alice@example.test", 1);
    chain.client().wait_until_empty();
    chain.stop();
}

BOOST_AUTO_TEST_CASE(secret_put_right_by_reload) {
    ChainSettings settings;
    settings.client_json = registration("the new secret", false);
    Chain chain(std::move(settings));
    chain.start();
    chain.send("waits 1");
    (void)chain.client().log().wait_for("status=deferred");
    chain.agent().settings().providers[0].secret = "the new secret";
    chain.agent().reload();
    chain.flush_until("the delivery after the reload",
                      [&] { return chain.mailboxes().count("alice@example.test") > 0; });
    chain.client().wait_until_empty();
    check_each_once(chain.mailboxes(), "alice@example.test", "waits", 1);
    chain.stop();
}

BOOST_AUTO_TEST_SUITE_END()
