// SPDX-License-Identifier: Apache-2.0
// Every way in which mail enters Postfix, and what the Graph route makes of it.
#include <boost/test/unit_test.hpp>

#include "tests/e2e/graph_rig.hh"

using namespace postbearer::test;

namespace {

constexpr const char* kApp = "app@contoso.test";
constexpr const char* kAlice = "alice@example.test";
constexpr const char* kBob = "bob@example.test";
constexpr const char* kJoe = "joe@local.test";

Json::Value first_message(GraphChain& chain) {
    const Json::Value all = chain.rehearsal().graph_messages();
    BOOST_REQUIRE_GE(all.size(), 1U);
    return all[0];
}

std::string body_of(const std::string& message) {
    const std::size_t end = message.find("\r\n\r\n");
    return end == std::string::npos ? std::string() : message.substr(end + 4);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(graph_submission_test)

BOOST_AUTO_TEST_CASE(smtp_submission) {
    GraphChain chain;
    chain.start();
    Account account(chain);
    expect_taken(
        chain.trusted().send(kApp, {kAlice, kBob}, plain_message(kApp, {kAlice}, "trusted")));
    account.at_graph("trusted", {kAlice, kBob});
    // The same from a client that nobody has named: mail that is forged must not reach Graph.
    Dialogue other = Dialogue::tcp(chain.submission_port());
    other.open_smtp();
    expect_taken(other.send(kApp, {kAlice}, plain_message(kApp, {kAlice}, "unknown client")));
    account.at_relay("unknown client", {kAlice});
    account.check();
    const Json::Value message = first_message(chain);
    BOOST_TEST(message["to"][0].asString() == kAlice);
    BOOST_TEST(message["bcc"][0].asString() == kBob);
    BOOST_TEST(chain.milter().log().count("decision=relay reason=not_submitted") == 1U);
    BOOST_TEST(chain.rehearsal().raw_message(1).find("X-Postbearer-Route") == std::string::npos);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(sendmail_submission) {
    GraphChain chain;
    chain.start();
    Account account(chain);
    chain.client().send({.sender = kApp, .recipients = {kAlice, kBob}, .subject = "by sendmail"});
    chain.client().send({.sender = kApp, .recipients = {kAlice, kJoe}, .subject = "half local"});
    account.at_graph("by sendmail", {kAlice, kBob});
    account.at_relay("half local", {kAlice});
    account.kept("half local", {kJoe});
    account.check();
    BOOST_TEST(chain.milter().log().count("event=routed .*decision=graph") == 1U);
    BOOST_TEST(chain.milter().log().count("decision=relay .*reason=local_domains") == 1U);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(authenticated_submission) {
    GraphChainSettings settings;
    settings.routes = std::string("[[route]]\nname = \"users\"\nsasl_user = [\"") + kSubmitter +
                      "\"]\nallow_from = [\"" + kSubmitter + "\"]\n";
    GraphChain chain(std::move(settings));
    chain.start();
    Account account(chain);
    Dialogue session = Dialogue::tcp(chain.submission_port());
    session.open_smtp(kSubmitter, kSubmitterPassword);
    expect_taken(
        session.send(kSubmitter, {kAlice}, plain_message(kSubmitter, {kAlice}, "signed in")));
    const std::string refusal =
        session.send(kApp, {kAlice}, plain_message(kApp, {kAlice}, "somebody else"));
    BOOST_TEST(refusal.starts_with("550 5.7.1 "), refusal);
    BOOST_TEST(refusal.find("allow_from of route users") != std::string::npos, refusal);
    account.at_graph("signed in", {kAlice});
    account.check();
    chain.stop();
}

BOOST_AUTO_TEST_CASE(a_bounce_goes_back) {
    GraphChain chain;
    chain.start();
    Account account(chain);
    // The mailbox may not send as the address in From.
    expect_taken(chain.trusted().send(kApp, {kAlice},
                                      plain_message("boss@contoso.test", {kAlice}, "refused")));
    account.at_relay("Undelivered Mail Returned to Sender", {kApp});
    account.check();
    const std::string bounce = chain.relayed().messages(kApp).front().raw;
    for (const char* wanted : {"Diagnostic-Code: smtp; 550 5.7.60", "ErrorSendAsDenied",
                               "Grant it Send As", "request-id"}) {
        BOOST_TEST(bounce.find(wanted) != std::string::npos, "no " << wanted << " in " << bounce);
    }
    BOOST_TEST(chain.client().log().count("dsn=5.7.60, status=bounced") == 1U);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(mixed_recipients) {
    GraphChain chain;
    chain.start();
    Account account(chain);
    chain.submit(kApp, {kAlice, kJoe}, "both");
    account.at_relay("both", {kAlice});
    account.kept("both", {kJoe});
    account.check();
    BOOST_TEST(chain.kept().messages(kJoe).front().header("X-Postbearer-Route").empty());
    chain.stop();
}

BOOST_AUTO_TEST_CASE(missing_message_id) {
    GraphChainSettings settings;
    settings.submission_options = " -o local_header_rewrite_clients=";
    GraphChain chain(std::move(settings));
    chain.start();
    Account account(chain);
    (void)chain.rehearsal().behave(R"({"endpoint":"sendmail","times":2,"do":
        {"kind":"graph_error","status":503,"code":"ErrorServerBusy","message":"busy"}})");
    expect_taken(chain.trusted().send(kApp, {kAlice},
                                      std::string("From: ") + kApp + "\nTo: alice@example.test\n" +
                                          "Subject: anonymous\n\nNo Message-ID.\n"));
    account.at_graph("anonymous", {kAlice});
    chain.flush_until("the message to go out", [&] { return chain.rehearsal().accepted() >= 1; });
    account.check();
    // The id is derived from the queue id, so that each attempt has the same.
    const std::string id = first_message(chain)["message_id"].asString();
    BOOST_TEST(id.find("@contoso.test") != std::string::npos, id);
    BOOST_TEST(chain.milter().log().count("event=(in_doubt|not_sent|sent) .*mid=\"?" +
                                          literally(id)) == 3U);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(null_sender) {
    GraphChainSettings settings;
    settings.routes = "[[route]]\nname = \"all\"\nfrom = [\"@contoso.test\"]\nmailbox = \"from\"\n";
    GraphChain chain(std::move(settings));
    chain.start();
    Account account(chain);
    expect_taken(chain.trusted().send("", {kAlice}, plain_message(kApp, {kAlice}, "nobody")));
    account.at_relay("nobody", {kAlice});
    account.check();
    BOOST_TEST(chain.milter().log().count("decision=relay .*reason=null_sender") == 1U);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(smtputf8) {
    constexpr const char* kJuergen = "j\xc3\xbcrgen@example.test";
    GraphChain chain;
    chain.start();
    Account account(chain);
    expect_taken(chain.trusted().send(kApp, {kJuergen}, plain_message(kApp, {kJuergen}, "relayed"),
                                      " SMTPUTF8"));
    account.at_relay("relayed", {kJuergen});
    account.check();
    BOOST_TEST(chain.milter().log().count("decision=relay .*reason=smtputf8") == 1U);
    chain.milter().settings().graph_more = "smtputf8 = \"ignore\"\n";
    chain.milter().reload();
    expect_taken(chain.trusted().send(kApp, {kJuergen}, plain_message(kApp, {kJuergen}, "sent"),
                                      " SMTPUTF8"));
    account.at_graph("sent", {kJuergen});
    account.check();
    chain.stop();
}

BOOST_AUTO_TEST_CASE(eight_bit_mime) {
    GraphChain chain;
    chain.start();
    Account account(chain);
    const std::string body =
        "Gr\xc3\xbc\xc3\x9f"
        "e, \xe9 in Latin-1 \xff\xfe\n.\n..dots\n" +
        std::string(5000, 'x') + "\n trailing blanks   \t\n\n\nend\n\n";
    const std::string mime =
        "MIME-Version: 1.0\nContent-Type: text/plain; charset=x-unknown\n"
        "Content-Transfer-Encoding: 8bit\n";
    expect_taken(chain.trusted().send(
        kApp, {kAlice}, plain_message(kApp, {kAlice}, "bytes", mime, body), " BODY=8BITMIME"));
    account.at_graph("bytes", {kAlice});
    account.check();
    std::string wanted;
    for (const char c : body) {
        wanted += c == '\n' ? "\r\n" : std::string(1, c);
    }
    const std::string got = body_of(chain.rehearsal().raw_message(1));
    BOOST_TEST(got.size() == wanted.size());
    BOOST_CHECK(got == wanted);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(dsn_options) {
    GraphChain chain;
    chain.start();
    Account account(chain);
    Dialogue session = chain.trusted();
    session.expect(std::string("MAIL FROM:<") + kApp + "> RET=HDRS ENVID=our-id", "250");
    session.expect("RCPT TO:<alice@example.test> NOTIFY=SUCCESS,FAILURE", "250");
    session.expect("RCPT TO:<bob@example.test> NOTIFY=NEVER", "250");
    session.expect("DATA", "354");
    session.write_message(plain_message(kApp, {kAlice, kBob}, "tell me"));
    expect_taken(session.reply());
    account.at_graph("tell me", {kAlice, kBob});
    // Graph knows no DSN, so Postfix itself says that it has passed the message on.
    account.at_relay("Successful Mail Delivery Report", {kApp});
    account.check();
    const std::string report = chain.relayed().messages(kApp).front().raw;
    BOOST_TEST(report.find("Action: relayed") != std::string::npos, report);
    BOOST_TEST(report.find("rfc822; bob@") == std::string::npos, report);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(six_hundred_recipients) {
    GraphChain chain;
    chain.start();
    Account account(chain);
    std::vector<std::string> recipients;
    recipients.reserve(600);
    for (int i = 0; i < 600; ++i) {
        recipients.push_back("reader" + std::to_string(i) + "@example.test");
    }
    expect_taken(
        chain.trusted().send(kApp, recipients, plain_message(kApp, {recipients[0]}, "crowd")));
    account.at_relay("crowd", recipients);
    account.check();
    BOOST_TEST(chain.milter().log().count("decision=relay .*reason=max_recipients") == 1U);
    chain.stop();
}

BOOST_AUTO_TEST_SUITE_END()
