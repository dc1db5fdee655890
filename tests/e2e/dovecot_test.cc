// SPDX-License-Identifier: Apache-2.0
// A judge that nobody here wrote: Dovecot validates delegated tokens by itself, for SMTP behind a
// real smtpd and for IMAP with mbsync. It must take the good one and really refuse the others.
#include <boost/test/unit_test.hpp>

#include "tests/e2e/expectations.hh"
#include "tests/support/canned_agent.hh"

using namespace postbearer::test;

namespace {

constexpr const char* kScope = "https://outlook.office.com/SMTP.Send";
constexpr const char* kImapScope = "https://outlook.office.com/IMAP.AccessAsUser.All";

struct TokenRow {
    const char* sender;
    const char* order;         // over the good one
    const char* dovecot_says;  // empty: it must be accepted
};

constexpr TokenRow kTokens[] = {
    {"good@contoso.test", "{}", ""},
    {"expired@contoso.test", R"({"lifetime":-10})", "Token has expired"},
    {"foreign@contoso.test", R"({"foreign_key":true})", "Bad signature"},
    {"scope@contoso.test", R"({"scope":"https://outlook.office.com/IMAP.AccessAsUser.All"})",
     "configured scope .* missing from token scope"},
    {"other@contoso.test", R"({"user":"somebody@contoso.test"})", "did not match"},
    {"issuer@contoso.test", R"({"issuer":"https://login.elsewhere.test/"})",
     "Issuer '.*' is not allowed"},
    {"key@contoso.test", R"({"header":{"kid":"unknown"}})", "key '.*' not found"},
};

Json::Value order_for(const TokenRow& row, const std::string& account) {
    Json::Value order = json_of(row.order);
    order["client_id"] = kClientId;
    order["tenant"] = kTenant;
    if (!order.isMember("user")) {
        order["user"] = account;
    }
    if (!order.isMember("scope")) {
        order["scope"] = kScope;
    }
    return order;
}

const TokenRow& row_of(const std::string& account) {
    for (const TokenRow& row : kTokens) {
        if (account == row.sender) {
            return row;
        }
    }
    return kTokens[0];
}

void judge_all(const std::string& mechanism, const std::string& wire) {
    ChainSettings settings;
    settings.mechanism = mechanism;
    settings.dovecot_judges = true;
    settings.dovecot_scope = kScope;
    for (const TokenRow& row : kTokens) {
        settings.senders.emplace_back(row.sender);
    }
    Chain chain(std::move(settings));
    chain.start_without_agent();
    const CannedAgent agent(chain.agent_socket(), [&](const AgentAttributes& request) {
        if (request.at("request") == "rejected") {
            return attributes({{"status", "ok"}, {"action", "refreshed"}});
        }
        const std::string account = request.at("account");
        return granted(chain.rehearsal().mint(order_for(row_of(account), account)), account);
    });
    const LogWatch log = chain.client().log();
    for (const TokenRow& row : kTokens) {
        BOOST_TEST_CONTEXT(row.sender) {
            LogWatch since = log;
            since.mark();
            LogWatch dovecot = chain.dovecot().log();
            dovecot.mark();
            chain.send("judged 1", row.sender, row.sender);
            const bool good = *row.dovecot_says == '\0';
            (void)since.wait_for(good ? "status=sent"
                                      : "status=deferred \\(SASL authentication failed; server "
                                        "localhost\\[127\\.0\\.0\\.1\\] said: 535 5\\.7\\.8 ");
            if (good) {
                BOOST_TEST(chain.server().log().count("sasl_method=" + wire +
                                                      ", sasl_username=good@contoso\\.test") == 1U);
                chain.mailboxes().wait_for(row.sender, 1);
            } else {
                (void)dovecot.wait_for(row.dovecot_says);
                BOOST_TEST(
                    since.count("the server refused the token for " + literally(row.sender)) == 1U);
            }
        }
    }
    BOOST_TEST(chain.mailboxes().total() == 1U);
    BOOST_TEST(agent.requests("rejected").size() == std::size(kTokens) - 1);
    check_no_crash(log);
    chain.stop();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(dovecot_test)

BOOST_AUTO_TEST_CASE(judges_xoauth2) { judge_all("xoauth2", "XOAUTH2"); }

BOOST_AUTO_TEST_CASE(judges_oauthbearer) { judge_all("oauthbearer", "OAUTHBEARER"); }

BOOST_AUTO_TEST_CASE(delegated_token_through_the_agent) {
    ChainSettings settings;
    settings.dovecot_judges = true;
    settings.dovecot_scope = kScope;
    settings.client_json = R"({"tenant":"contoso.test","user":"relay@contoso.test","scope":")" +
                           std::string(kScope) +
                           R"(","secrets":[{"value":"correct horse battery staple"}]})";
    Chain chain(std::move(settings));
    chain.start();
    chain.send("delegated 1");
    chain.mailboxes().wait_for("alice@example.test", 1);
    check_each_once(chain.mailboxes(), "alice@example.test", "delegated", 1);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(mbsync_fetches_mail) {
    constexpr const char* kUser = "alice@contoso.test";
    ChainSettings settings;
    settings.dovecot_judges = true;
    settings.dovecot_scope = kImapScope;
    settings.client_json = R"({"tenant":"contoso.test","user":"alice@contoso.test","scope":")" +
                           std::string(kImapScope) +
                           R"(","secrets":[{"value":"correct horse battery staple"}]})";
    Chain chain(std::move(settings));
    chain.start_without_agent();
    chain.prepare_agent().settings().access.push_back(
        {.subject = "uid = 0", .resources = R"(["imap"])"});
    chain.agent().start();
    const Path inbox = chain.dovecot().mail_directory(kUser);
    for (const char* folder : {"", "new", "cur", "tmp"}) {
        make_directory(inbox / folder, 0777);
    }
    for (const char* name : {"1.a", "2.b", "3.c"}) {
        write_file(inbox / "new" / name, "Subject: " + std::string(name) + "\n\nhello\n", 0666);
    }
    const Path local = chain.directory() / "local";
    make_directory(local);
    write_file(chain.directory() / "mbsyncrc",
               "IMAPAccount far\nHost localhost\nPort " +
                   std::to_string(chain.dovecot().imap_port()) + "\nUser " + kUser +
                   "\nAuthMechs XOAUTH2\nSSLType STARTTLS\nSystemCertificates no\n"
                   "CertificateFile " +
                   chain.rehearsal().ca_file().string() +
                   "\n\nIMAPStore far\nAccount far\n\nMaildirStore near\nPath " + local.string() +
                   "/\nInbox " + local.string() +
                   "/inbox\n\nChannel all\nFar :far:\nNear :near:\nSync Pull\nCreate Near\n"
                   "SyncState *\n");
    const Finished sync =
        run({.argv = {"mbsync", "-V", "-c", chain.directory() / "mbsyncrc", "all"},
             .environment = {{"SASL_PATH", make_sasl_directory(chain.directory() / "sasl2")},
                             {"POSTBEARER_SOCKET", chain.agent_socket()},
                             {"HOME", chain.directory()}}});
    BOOST_TEST(sync.ok(), sync.output << sync.error);
    std::size_t fetched = 0;
    std::error_code error;
    for (const char* folder : {"new", "cur"}) {
        for ([[maybe_unused]] const auto& file :
             std::filesystem::directory_iterator(local / "inbox" / folder, error)) {
            ++fetched;
        }
    }
    BOOST_TEST(fetched == 3U, sync.output << sync.error);
    (void)chain.agent().log().wait_for("event=token_handed_out uid=0 .*resource=imap");
    BOOST_TEST(chain.agent().log().count("event=token_handed_out uid=0 .*resource=imap") == 1U);
    chain.stop();
}

BOOST_AUTO_TEST_SUITE_END()
