// SPDX-License-Identifier: Apache-2.0
// The program behind tests/quickstart: one message by each route through private Postfix instances
// to a stand-in for Microsoft 365, shown hop by hop with the lines that the programs really logged:
// by SMTP with the plugin, and by Microsoft Graph with the milter daemon; or logins of users
// (quickstart_delegated.hh). It starts everything itself, in directories below /tmp, and ends
// everything.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>
#include <vector>

#include "tests/e2e/quickstart_delegated.hh"
#include "tests/e2e/quickstart_show.hh"
#include "tests/support/chain.hh"
#include "tests/support/failure.hh"
#include "tests/support/graph_chain.hh"

namespace {

using namespace postbearer::test;

constexpr int kFailed = 1;
constexpr int kUsage = 2;
constexpr const char* kRecipient = "newcomer@example.test";
constexpr const char* kHiddenRecipient = "archive@example.test";

std::vector<Hop> hops_of(Chain& chain, const std::string& queue_id) {
    const LogWatch client = chain.client().log();
    const LogWatch server = chain.server().log();
    const LogWatch agent = chain.agent().log();
    const std::string recipient = literally(kRecipient);
    return {
        {"pickup(8) takes it from sendmail(1)", client, "/pickup\\[[0-9]+\\]: " + queue_id},
        {"cleanup(8) writes it into the queue", client, "/cleanup\\[[0-9]+\\]: " + queue_id},
        {"qmgr(8) gives it to smtp(8), which runs in the chroot", client,
         "/qmgr\\[[0-9]+\\]: " + queue_id + ": from="},
        {"the agent has fetched a token over HTTPS", agent, "event=token_refreshed "},
        {"the plugin asks, the agent hands the token out", agent, "event=token_handed_out "},
        {"the server accepts it: XOAUTH2 inside verified TLS", server,
         "/smtpd\\[[0-9]+\\]: .*sasl_method=XOAUTH2"},
        {"smtp(8) is done", client, "/smtp\\[[0-9]+\\]: " + queue_id + ": .*status=sent"},
        {"the server delivers into the mailbox", server,
         "/virtual\\[[0-9]+\\]: .*to=<" + recipient + ">.*status=sent"},
    };
}

std::vector<Hop> graph_hops_of(GraphChain& chain, const std::string& queue_id) {
    const LogWatch client = chain.client().log();
    const LogWatch milter = chain.milter().log();
    return {
        {"smtpd(8) takes it from the application", client,
         "/smtpd\\[[0-9]+\\]: " + queue_id + ": client="},
        {"the milter decides and signs its word into a header", milter,
         "event=routed queue_id=" + queue_id},
        {"cleanup(8) sees the header and picks the transport", client,
         queue_id + ": milter-header-filter"},
        {"qmgr(8) gives it to lmtp(8), with both recipients", client,
         "/qmgr\\[[0-9]+\\]: " + queue_id + ": from=.*nrcpt=2"},
        {"the agent hands out a token for Graph", chain.agent().log(),
         "event=token_handed_out .*resource=graph"},
        {"the daemon sends it through Graph, exactly to the envelope", milter,
         "event=sent queue_id=" + queue_id},
        {"lmtp(8) is done", client, "/lmtp\\[[0-9]+\\]: " + queue_id + ": .*status=sent"},
    };
}

void show_mail(const Chain& chain) {
    say("\nThe mail as it arrived for " + std::string(kRecipient) + ":\n");
    for (const std::string& line :
         split_lines(chain.mailboxes().messages(kRecipient).front().raw)) {
        say("   " + line);
    }
}

void run_demo() {
    Chain chain;
    say("Everything lives in " + chain.directory().string() +
        "; your own Postfix is not touched.\n");
    chain.start();
    chain.client().send({.sender = kRelayAccount,
                         .recipients = {kRecipient},
                         .subject = "Hello from Postbearer",
                         .body = "This message was sent with an OAuth2 token.\n"});
    chain.mailboxes().wait_for(kRecipient, 1);
    chain.client().wait_until_empty();
    show(hops_of(chain, queue_id_of(chain.client().log().wait_for("/pickup\\[[0-9]+\\]: "))));
    show_mail(chain);
    chain.stop();
}

void run_graph_demo() {
    GraphChain chain;
    chain.start();
    const std::string sender = "app@contoso.test";
    const std::string answer =
        chain.trusted().send(sender, {kRecipient, kHiddenRecipient},
                             plain_message(sender, {kRecipient}, "Hello through Graph", "",
                                           "This message went through Microsoft Graph.\n"));
    if (!answer.starts_with("250")) {
        fail("Postfix did not take the message: " + answer);
    }
    chain.client().wait_until_empty();
    show(graph_hops_of(
        chain, queue_id_of(chain.client().log().wait_for("/smtpd\\[[0-9]+\\]: [^ ]+: client="))));
    say("\nWhat Graph got (it has no envelope: who is hidden stands in Bcc, and Exchange takes "
        "that out):\n");
    for (const std::string& line : split_lines(chain.rehearsal().raw_message(1))) {
        say("   " + line);
    }
    chain.stop();
}

void check_nothing_is_left() {
    wait_until(
        "every process to end",
        [] {
            reap_orphans();
            return live_descendants().empty();
        },
        kPatience,
        [] {
            std::string left = "running:";
            for (const std::string& process : live_descendants()) {
                left += " " + process;
            }
            return left;
        });
    say("\nnothing is left running");
}

void run_both_routes() {
    say("-- Route 1: SMTP to smtp.office365.com with XOAUTH2\n");
    run_demo();
    say("\n-- Route 2: Microsoft Graph\n");
    run_graph_demo();
}

using Demo = void (*)();

/// Null: no such one.
Demo demo_of(const std::vector<std::string_view>& options) {
    using Options = std::vector<std::string_view>;
    if (options.empty()) {
        return &run_both_routes;
    }
    if (options == Options{"--delegated"}) {
        return &run_delegated_demo;
    }
    if (options == Options{"--delegated", "--by-hand"}) {
        return &run_by_hand;
    }
    return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
    const Demo demo = demo_of({argv + 1, argv + argc});
    if (demo == nullptr) {
        (void)std::fputs("usage: quickstart-demo [--delegated [--by-hand]]\n", stderr);
        return kUsage;
    }
    if (::geteuid() != 0) {
        (void)std::fputs("quickstart: a private Postfix needs root\n", stderr);
        return kFailed;
    }
    try {
        adopt_orphans();
        demo();
        check_nothing_is_left();
        return EXIT_SUCCESS;
    } catch (const std::exception& error) {
        // The instances have shown the ends of their logs while they were put away.
        (void)std::fprintf(stderr, "\nquickstart failed: %s\n", error.what());
        return kFailed;
    }
}
