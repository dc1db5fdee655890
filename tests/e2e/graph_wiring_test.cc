// SPDX-License-Identifier: Apache-2.0
// The Graph route beside what else a main.cf may say: transport maps without the milter, content
// filters, bcc and alias maps, other routes; and the admin's ways in.
#include <boost/test/unit_test.hpp>

#include "tests/e2e/graph_rig.hh"

using namespace postbearer::test;

namespace {

constexpr const char* kApp = "app@contoso.test";
constexpr const char* kAlice = "alice@example.test";
constexpr const char* kBob = "bob@example.test";
constexpr const char* kJoe = "joe@local.test";
constexpr const char* kGraphNexthop = "graph:unix:run/postbearer/graph.sock";
constexpr const char* kBusy = R"({"endpoint":"sendmail","times":-1,"do":
    {"kind":"graph_error","status":503,"code":"ErrorServerBusy","message":"busy"}})";

/// A listener of smtpd(8) beside the submission listener.
std::string listener(const ReservedPort& port, const std::string& options) {
    return "127.0.0.1:" + std::to_string(port.number()) + " inet n - n - 100 smtpd" + options;
}

Dialogue smtp_to(const ReservedPort& port) {
    Dialogue session = Dialogue::tcp(port.number());
    session.open_smtp();
    return session;
}

Json::Value only_message(GraphChain& chain) {
    const Json::Value all = chain.rehearsal().graph_messages();
    BOOST_REQUIRE_EQUAL(all.size(), 1U);
    return all[0];
}

}  // namespace

BOOST_AUTO_TEST_SUITE(graph_wiring_test)

BOOST_AUTO_TEST_CASE(transport_maps_route) {
    const ReservedPort plain;  // no milter there
    GraphChainSettings settings;
    settings.client_main["transport_maps"] =
        std::string("inline:{ {graph.test = ") + kGraphNexthop + "} }";
    settings.client_services = {listener(plain, "")};
    GraphChain chain(std::move(settings));
    chain.start();
    Account account(chain);
    const std::vector<std::string> recipients{"carol@graph.test", kAlice};
    expect_taken(smtp_to(plain).send(kApp, recipients, plain_message(kApp, recipients, "mapped")));
    account.at_graph("mapped", {"carol@graph.test"});
    account.at_relay("mapped", {kAlice});
    account.check();
    const Json::Value message = only_message(chain);
    BOOST_TEST(message["to"].size() == 1U);  // alice gets hers from the relay
    BOOST_TEST(chain.milter().log().count("event=routed") == 0U);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(six_hundred_recipients_by_transport_maps) {
    const ReservedPort plain;
    GraphChainSettings settings;
    settings.client_main["transport_maps"] =
        std::string("inline:{ {graph.test = ") + kGraphNexthop + "} }";
    settings.client_services = {listener(plain, "")};
    GraphChain chain(std::move(settings));
    chain.start();
    Account account(chain);
    std::vector<std::string> recipients;
    recipients.reserve(600);
    for (int i = 0; i < 600; ++i) {
        recipients.push_back("reader" + std::to_string(i) + "@graph.test");
    }
    const std::vector<std::string> named{recipients[0], recipients[599]};
    expect_taken(smtp_to(plain).send(kApp, recipients, plain_message(kApp, named, "batches")));
    account.at_graph("batches", recipients);
    account.check();
    const Json::Value messages = chain.rehearsal().graph_messages();
    BOOST_REQUIRE_EQUAL(messages.size(), 2U);
    BOOST_TEST(messages[0]["to"].size() + messages[0]["bcc"].size() == 500U);
    BOOST_TEST(messages[1]["bcc"].size() == 100U);
    BOOST_TEST(messages[0]["to"].size() >= 1U);
    BOOST_TEST(messages[1]["to"].size() == 0U);
    BOOST_TEST(messages[0]["message_id"].asString() == messages[1]["message_id"].asString());
    BOOST_TEST(chain.rehearsal().counter("graph_max_in_flight_per_mailbox") == 1U);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(virtual_alias_to_remote) {
    GraphChainSettings settings;
    settings.client_main["virtual_alias_maps"] =
        "inline:{ {team@contoso.test = alice@example.test, bob@example.test} }";
    GraphChain chain(std::move(settings));
    chain.start();
    Account account(chain);
    chain.submit(kApp, {"team@contoso.test"}, "to the team");
    account.at_graph("to the team", {kAlice, kBob});
    account.check();
    const Json::Value message = only_message(chain);
    BOOST_TEST(message["to"].size() == 0U);  // nobody of the envelope any more
    BOOST_TEST(message["bcc"].size() == 2U);
    BOOST_TEST(chain.milter().log().count("event=sent .*trimmed=1") == 1U);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(always_bcc_remote) {
    GraphChainSettings settings;
    settings.client_main["always_bcc"] = "archive@example.test";
    GraphChain chain(std::move(settings));
    chain.start();
    Account account(chain);
    chain.submit(kApp, {kAlice}, "archived");
    chain.client().send({.sender = kApp, .recipients = {kBob}, .subject = "archived, too"});
    account.at_graph("archived", {kAlice, "archive@example.test"});
    account.at_graph("archived, too", {kBob, "archive@example.test"});
    account.check();
    chain.stop();
}

BOOST_AUTO_TEST_CASE(always_bcc_local) {
    GraphChainSettings settings;
    settings.client_main["always_bcc"] = kJoe;
    GraphChain chain(std::move(settings));
    chain.start();
    Account account(chain);
    chain.submit(kApp, {kAlice}, "archived");
    wait_for_reason(chain.client(), "joe@local\\.test: .*451 4\\.3\\.5 .*always_bcc");
    account.at_graph("archived", {kAlice});
    // The admin reads it, mends the map, and gives the rest to the usual transports. In this order:
    // what is requeued passes cleanup(8) again, which would add the address a second time.
    chain.client().set("always_bcc", "");
    chain.client().reload();
    requeue_all(chain.client());
    account.kept("archived", {kJoe});
    account.check();
    chain.stop();
}

BOOST_AUTO_TEST_CASE(sender_bcc_maps) {
    GraphChainSettings settings;
    settings.client_main["sender_bcc_maps"] = "inline:{ {app@contoso.test = audit@example.test} }";
    GraphChain chain(std::move(settings));
    chain.start();
    Account account(chain);
    chain.submit(kApp, {kAlice}, "audited");
    chain.submit("other@contoso.test", {kAlice}, "not audited");
    account.at_graph("audited", {kAlice, "audit@example.test"});
    account.at_graph("not audited", {kAlice});
    account.check();
    chain.stop();
}

BOOST_AUTO_TEST_CASE(content_filter_reinjection) {
    // As with amavis: the first listener has the filter and no milter; the milter is on the one
    // that takes the mail back, from the address that only the filter for outgoing mail uses.
    const ReservedPort first;
    const ReservedPort filter_port;
    const TempDir directory;
    GraphChainSettings settings;
    settings.client_services = {listener(
        first, " -o content_filter=smtp:[127.0.0.1]:" + std::to_string(filter_port.number()))};
    GraphChain chain(std::move(settings));
    chain.start();
    PostfixSettings filter;
    filter.directory = directory / "filter";
    filter.name = "filter";
    filter.main = {{"relayhost", "[127.0.0.1]:" + std::to_string(chain.submission_port())},
                   {"smtp_bind_address", kTrustedClient}};
    filter.services = {listener(filter_port, "")};
    PostfixInstance scanner(std::move(filter));
    scanner.start();
    Account account(chain);
    expect_taken(
        smtp_to(first).send(kApp, {kAlice, kBob}, plain_message(kApp, {kAlice}, "scanned")));
    account.at_graph("scanned", {kAlice, kBob});
    (void)chain.milter().log().wait_for("event=sent ");
    scanner.wait_until_empty();
    account.check();
    BOOST_TEST(chain.milter().log().count("event=routed") == 1U);
    // Without the filter's address it would be forged mail from outside.
    scanner.set("smtp_bind_address", "127.0.0.1");
    scanner.reload();
    expect_taken(smtp_to(first).send(kApp, {kAlice}, plain_message(kApp, {kAlice}, "inbound")));
    account.at_relay("inbound", {kAlice});
    chain.relayed().wait_for(kAlice, 1);
    account.check();
    scanner.stop();
    chain.stop();
}

BOOST_AUTO_TEST_CASE(postsuper_r) {
    GraphChain chain;
    chain.start();
    Account account(chain);
    (void)chain.rehearsal().behave(kBusy);
    chain.submit(kApp, {kAlice, kBob}, "stuck");
    chain.client().send({.sender = kApp, .recipients = {kAlice}, .subject = "stuck, too"});
    chain.client().log().wait_for_count(3, "status=deferred");
    requeue_all(chain.client());
    account.at_relay("stuck", {kAlice, kBob});
    account.at_relay("stuck, too", {kAlice});
    account.check();
    for (const char* recipient : {kAlice, kBob}) {
        for (const MailMessage& message : chain.relayed().messages(recipient)) {
            BOOST_TEST(message.header("X-Postbearer-Route").empty(), message.raw);
        }
    }
    chain.stop();
}

BOOST_AUTO_TEST_CASE(discard_route) {
    GraphChainSettings settings;
    settings.routes =
        "[[route]]\nname = \"silent\"\nsender = [\"silent@contoso.test\"]\naction = \"discard\"\n"
        "[[route]]\nname = \"contoso\"\nsender = [\"@contoso.test\"]\n";
    GraphChain chain(std::move(settings));
    chain.start();
    Account account(chain);
    chain.submit("silent@contoso.test", {kAlice}, "nobody reads this");
    chain.client().send({.sender = "silent@contoso.test", .recipients = {kAlice, kBob}});
    chain.submit(kApp, {kAlice}, "loud");
    account.at_graph("loud", {kAlice});
    chain.milter().log().wait_for_count(2, "event=discarded .*route=silent");
    account.check();
    BOOST_TEST(chain.client().log().count("status=sent .*discarded by route silent") == 3U);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(reject_route) {
    GraphChainSettings settings;
    settings.routes =
        "[[route]]\nname = \"closed\"\nsender = [\"old@contoso.test\"]\naction = \"reject\"\n"
        "reason = \"this address is closed, write to new@contoso.test\"\n";
    GraphChain chain(std::move(settings));
    chain.start();
    Account account(chain);
    const std::string answer = chain.trusted().send(
        "old@contoso.test", {kAlice}, plain_message("old@contoso.test", {kAlice}, "late"));
    BOOST_TEST(answer == "550 5.7.1 this address is closed, write to new@contoso.test");
    // sendmail(1) has nobody to refuse it to, so the sender is told by a notification.
    chain.client().send({.sender = "old@contoso.test", .recipients = {kAlice}});
    (void)chain.client().log().wait_for("status=bounced \\(this address is closed");
    account.at_relay("Undelivered Mail Returned to Sender", {"old@contoso.test"});
    account.check();
    chain.stop();
}

BOOST_AUTO_TEST_CASE(enabled_false_after_queueing) {
    GraphChain chain;
    chain.start();
    Account account(chain);
    (void)chain.rehearsal().behave(kBusy);
    chain.submit(kApp, {kAlice}, "queued before");
    chain.client().log().wait_for_count(1, "status=deferred");
    chain.milter().settings().graph_more = "enabled = false\n";
    chain.milter().reload();
    chain.rehearsal().forget_behaviours();
    chain.client().flush();
    wait_for_reason(chain.client(), "451 4\\.3\\.5 .*enabled = false.*postsuper -r");
    chain.submit(kApp, {kAlice}, "after");
    chain.relayed().wait_for(kAlice, 1);
    account.at_relay("after", {kAlice});
    requeue_all(chain.client());
    account.at_relay("queued before", {kAlice});
    account.check();
    chain.stop();
}

BOOST_AUTO_TEST_SUITE_END()
