// SPDX-License-Identifier: Apache-2.0
// A token leaves over verified TLS only, with the settings of our snippet; the log says why not.
#include <boost/test/unit_test.hpp>

#include "tests/e2e/expectations.hh"
#include "tests/support/canned_agent.hh"

using namespace postbearer::test;

namespace {

/// Sends one message; nothing may reach the judge, and the agent is not even asked.
void check_no_token_leaves(ChainSettings settings, const std::vector<std::string>& log_lines) {
    Chain chain(std::move(settings));
    chain.start_without_agent();
    const CannedAgent agent(chain.agent_socket(), [](const AgentAttributes& request) {
        return granted("a-token-that-must-not-leave", request.at("account"));
    });
    chain.send("never comes");
    const LogWatch log = chain.client().log();
    (void)log.wait_for("status=deferred");
    for (const std::string& line : log_lines) {
        BOOST_TEST(log.count(line) == 1U, "not once in the log: " << line);
    }
    BOOST_TEST(agent.requests().empty());
    BOOST_TEST(chain.rehearsal().counter("auth_attempts") == 0U);
    BOOST_TEST(chain.server().log().count("sasl_|SASL") == 0U);
    BOOST_TEST(chain.mailboxes().total() == 0U);
    check_no_crash(log);
    chain.stop();
}

constexpr const char* kNoWorthyMechanism =
    "warning: SASL authentication failure: No worthy mechs found";
constexpr const char* kNoMechanism =
    "status=deferred \\(SASL authentication failed; cannot authenticate to server "
    "localhost\\[127\\.0\\.0\\.1\\]: no mechanism available\\)";

}  // namespace

BOOST_AUTO_TEST_SUITE(tls_test)

BOOST_AUTO_TEST_CASE(untrusted_certificate) {
    ChainSettings settings;
    settings.trusted_certificate = false;
    check_no_token_leaves(std::move(settings),
                          {"smtp\\[[0-9]+\\]: .*certificate verification failed for "
                           "localhost\\[127\\.0\\.0\\.1\\]",
                           "status=deferred \\(Server certificate not verified\\)"});
}

BOOST_AUTO_TEST_CASE(certificate_for_another_name) {
    ChainSettings settings;
    settings.client_main["smtp_tls_secure_cert_match"] = "smtp.elsewhere.test";
    check_no_token_leaves(std::move(settings),
                          {"status=deferred \\(Server certificate not verified\\)"});
}

BOOST_AUTO_TEST_CASE(encrypted_but_not_verified) {
    ChainSettings settings;
    settings.client_main["smtp_tls_security_level"] = "encrypt";
    settings.trusted_certificate = false;
    check_no_token_leaves(std::move(settings), {kNoWorthyMechanism, kNoMechanism});
}

BOOST_AUTO_TEST_CASE(no_starttls_offered) {
    ChainSettings settings;
    settings.server_tls = false;
    settings.server_auth_only_in_tls = false;
    check_no_token_leaves(
        std::move(settings),
        {"status=deferred \\(TLS is required, but was not offered by host localhost"});
}

BOOST_AUTO_TEST_CASE(clear_text_by_configuration) {
    ChainSettings settings;
    settings.client_main["smtp_tls_security_level"] = "none";
    settings.server_tls = false;
    settings.server_auth_only_in_tls = false;
    check_no_token_leaves(std::move(settings), {kNoWorthyMechanism, kNoMechanism});
}

BOOST_AUTO_TEST_SUITE_END()
