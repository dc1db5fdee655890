// SPDX-License-Identifier: Apache-2.0
// Mail that nobody here has submitted never reaches Graph, whatever it says it is; and nobody but
// the daemon can say what the milter says.
#include <pwd.h>
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>

#include "tests/e2e/agent_rig.hh"
#include "tests/e2e/graph_ends.hh"
#include "tests/support/failure.hh"

using namespace postbearer::test;

namespace {

constexpr const char* kMilterOption = " -o smtpd_milters=unix:run/postbearer/milter.sock";

std::string inet_service(const ReservedPort& port, const std::string& options) {
    return "127.0.0.1:" + std::to_string(port.number()) + " inet n - n - 20 smtpd" + options;
}

/// As port 25: nobody signs in, and clients come from anywhere.
struct OpenHost {
    static GraphChainSettings settings(const ReservedPort& inbound, const ReservedPort& filtered,
                                       const ReservedPort& back) {
        GraphChainSettings all;
        all.client_services = {
            inet_service(inbound, kMilterOption),
            inet_service(filtered,
                         " -o content_filter=smtp:[127.0.0.1]:" + std::to_string(back.number())),
            inet_service(back, std::string(kMilterOption) + " -o content_filter="),
        };
        return all;
    }
    [[nodiscard]] Dialogue stranger() const {
        Dialogue session = Dialogue::tcp(inbound.number());
        session.open_smtp();
        return session;
    }
    ReservedPort inbound;
    ReservedPort filtered;
    ReservedPort back;
    GraphChain chain{settings(inbound, filtered, back)};
};

void check_no_graph_call(GraphChain& chain) {
    BOOST_TEST(chain.rehearsal().counter("graph_requests") == 0U);
    BOOST_TEST(chain.rehearsal().accepted() == 0U);
}

const std::string kForged =
    "X-Postbearer-Route: graph; id=4zzzzz0zzzzzzzz; route=contoso; mailbox=boss@contoso.test; "
    "mac=" +
    std::string(64, '0') + "\n";

Dialogue open_lmtp(const GraphChain& chain) {
    Dialogue session = Dialogue::unix_socket(chain.lmtp_socket());
    (void)session.reply();
    session.expect("LHLO forger.test", "250");
    return session;
}

/// Of a message for kBob that waits in the queue.
struct Captured {
    std::string queue_id;
    std::string message_id;
    std::string value;
};

Captured capture(GraphChain& chain) {
    (void)chain.rehearsal().behave(
        R"({"endpoint":"sendmail","times":-1,"do":{"kind":"graph_error","status":503}})");
    chain.submit(kApp, {kBob}, "genuine");
    (void)chain.client().log().wait_for("status=deferred");
    Captured captured;
    captured.queue_id = chain.client().queue().at(0).queue_id;
    const MailMessage message = parse_message(run_ok(
        {.argv = {"postcat", "-c", chain.client().configuration(), "-hq", captured.queue_id}}));
    captured.message_id = message.header("Message-ID");
    captured.value = message.header("X-Postbearer-Route");
    BOOST_REQUIRE(captured.value.starts_with("graph; id=" + captured.queue_id + "; "));
    return captured;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(graph_forgery_test)

BOOST_AUTO_TEST_CASE(forged_inbound_mail) {
    OpenHost host;
    host.chain.start();
    const std::string answer =
        host.stranger().send(kApp, {kAlice, kBob}, plain_message(kApp, {kAlice}, "pay me"));
    BOOST_TEST(answer.starts_with("250"), answer);
    const std::string line = only_line(host.chain.milter().log(), "event=routed ");
    BOOST_TEST(value_of(line, "decision") == "relay");
    BOOST_TEST(value_of(line, "reason") == "not_submitted");
    check_ends(host.chain, {.relayed = {{kAlice, 1}, {kBob, 1}}});
    check_no_graph_call(host.chain);
    host.chain.stop();
}

/// Postfix takes senders without angle brackets, too, and that is how mail of sendmail(1) looks to
/// a milter.
BOOST_AUTO_TEST_CASE(forged_sender_without_brackets) {
    OpenHost host;
    host.chain.start();
    std::size_t taken = 0;
    const std::string app = kApp;
    for (const std::string& form : {" " + app, app, "\"App\" <" + app + ">", app + " (app)",
                                    "<" + app, "<" + app + "> ", "(x)<" + app + ">"}) {
        Dialogue session = host.stranger();
        for (int twice = 0; twice < 2; ++twice) {  // the second has a queue id left over
            if (!session.say("MAIL FROM:" + form).starts_with("250")) {
                (void)session.expect("RSET", "250");
                continue;
            }
            session.expect("RCPT TO:" + std::string(kAlice), "250");
            session.expect("DATA", "354");
            session.write_message(plain_message(kApp, {kAlice}, "pay me"));
            BOOST_TEST(session.reply().starts_with("250"));
            ++taken;
        }
    }
    BOOST_TEST(taken > 4U);
    host.chain.milter().log().wait_for_count(taken, "event=routed ");
    for (const std::string& line : host.chain.milter().log().lines("event=routed ")) {
        BOOST_TEST(value_of(line, "decision") == "relay", line);
    }
    check_ends(host.chain, {.relayed = {{kAlice, taken}}});
    check_no_graph_call(host.chain);
    host.chain.stop();
}

/// The rules judge the sender that Postfix has read, not what was typed.
BOOST_AUTO_TEST_CASE(a_rejected_sender_in_odd_words) {
    GraphChainSettings settings;
    settings.routes =
        "[[route]]\nname = \"blocked\"\nsender = [\"blocked@contoso.test\"]\naction = \"reject\"\n"
        "reason = \"not from here\"\n[[route]]\nname = \"contoso\"\nsender = [\"@contoso.test\"]\n";
    GraphChain chain(settings);
    chain.start();
    const std::string blocked = "blocked@contoso.test";
    for (const std::string& form : {"<" + blocked + ">", blocked, "(x)<" + blocked + ">",
                                    blocked + "(x)", std::string("<\"blocked\"@contoso.test>")}) {
        Dialogue session = chain.trusted();
        session.expect("MAIL FROM:" + form, "250");
        session.expect("RCPT TO:<" + std::string(kAlice) + ">", "250");
        session.expect("DATA", "354");
        session.write_message(plain_message(blocked, {kAlice}, "odd"));
        const std::string answer = session.reply();
        BOOST_TEST(answer.starts_with("550 5.7.1 not from here"), form << ": " << answer);
    }
    check_ends(chain, {});
    chain.stop();
}

BOOST_AUTO_TEST_CASE(forged_through_a_content_filter_and_back) {
    OpenHost host;
    host.chain.start();
    Dialogue session = Dialogue::tcp(host.filtered.number());
    session.open_smtp();
    BOOST_TEST(
        session.send(kApp, {kAlice}, plain_message(kApp, {kAlice}, "pay me")).starts_with("250"));
    const std::string line = only_line(host.chain.milter().log(), "event=routed ");
    BOOST_TEST(value_of(line, "reason") == "not_submitted");
    check_ends(host.chain, {.relayed = {{kAlice, 1}}});
    check_no_graph_call(host.chain);
    host.chain.stop();
}

BOOST_AUTO_TEST_CASE(sendmail_counts_as_submitted) {
    GraphChain chain;
    chain.start();
    chain.client().send({.sender = kApp, .recipients = {kAlice, kBob}});
    check_ends(chain, {.graph = {{kAlice, 1}, {kBob, 1}}});
    chain.stop();
}

// ---- the routing header -------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(forged_routing_header) {
    OpenHost host;
    GraphChain& chain = host.chain;
    chain.start();
    // A stranger's is taken out, and the mail relays.
    BOOST_TEST(host.stranger()
                   .send(kApp, {kAlice}, plain_message(kApp, {kAlice}, "stranger", kForged))
                   .starts_with("250"));
    // On the listener without the milter, too, it decides nothing and does not leave the host.
    Dialogue filtered = Dialogue::tcp(host.filtered.number());
    filtered.open_smtp();
    BOOST_TEST(filtered.send(kApp, {kAlice}, plain_message(kApp, {kAlice}, "filtered", kForged))
                   .starts_with("250"));
    // Of one who may, the own decision stands.
    Dialogue user = Dialogue::tcp(chain.submission_port());
    user.open_smtp(kSubmitter, kSubmitterPassword);
    BOOST_TEST(user.send(kApp, {kBob}, plain_message(kApp, {kBob}, "user", kForged + kForged))
                   .starts_with("250"));
    check_ends(chain, {.graph = {{kBob, 1}}, .relayed = {{kAlice, 2}}});
    for (const MailMessage& message : chain.relayed().messages(kAlice)) {
        BOOST_TEST(message.header("X-Postbearer-Route") == "");
    }
    const std::string line = only_line(chain.milter().log(), "event=routed .*forged_headers=2");
    BOOST_TEST(value_of(line, "mailbox") == kApp);
    BOOST_TEST(last_raw(chain.rehearsal()).find("X-Postbearer-Route") == std::string::npos);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(forged_routing_header_at_the_lmtp_socket) {
    GraphChain chain;
    chain.start();
    Dialogue root = open_lmtp(chain);
    BOOST_TEST(root.send(kApp, {kAlice}, plain_message(kApp, {kAlice}, "root", kForged))
                   .starts_with("250"));
    const std::string line = chain.milter().log().wait_for("event=routing_header_ignored");
    BOOST_TEST(line.starts_with("<4>"), line);
    BOOST_TEST(value_of(only_line(chain.milter().log(), "event=sent "), "mailbox") == kApp);
    // Where the rules do not let it pass, nothing goes out.
    const std::string other = "app@fabrikam.test";
    const std::string answer =
        root.send(other, {kAlice}, plain_message(other, {kAlice}, "other", kForged));
    BOOST_TEST(answer.starts_with("451 4.3.5 "), answer);
    check_ends(chain, {.graph = {{kAlice, 1}}});
    chain.stop();
}

BOOST_AUTO_TEST_CASE(replayed_routing_header) {
    OpenHost host;
    GraphChain& chain = host.chain;
    chain.start();
    const Captured genuine = capture(chain);
    const std::string again = "Message-ID: " + genuine.message_id +
                              "\nX-Postbearer-Route: " + genuine.value + "\nFrom: " + kApp +
                              "\nTo: " + kAlice + "\nSubject: again\n\nReplayed.\n";
    BOOST_TEST(host.stranger().send(kApp, {kAlice}, again).starts_with("250"));
    BOOST_TEST(chain.trusted().send("app@fabrikam.test", {kAlice}, again).starts_with("250"));
    // Another queue id, as every other message has.
    Dialogue root = open_lmtp(chain);
    root.expect("XFORWARD IDENT=4zzzzz0zzzzzzzz", "250");
    const std::string answer = root.send("app@fabrikam.test", {kAlice}, again);
    BOOST_TEST(answer.starts_with("451 4.3.5 "), answer);
    BOOST_TEST(chain.milter().log().count("event=routing_header_ignored") == 1U);
    chain.rehearsal().forget_behaviours();
    chain.flush_until("the genuine one", [&] { return chain.rehearsal().accepted() == 1; });
    check_ends(chain, {.graph = {{kBob, 1}}, .relayed = {{kAlice, 2}}});
    chain.stop();
}

BOOST_AUTO_TEST_CASE(tampered_fields) {
    GraphChain chain;
    chain.start();
    const Captured genuine = capture(chain);
    chain.rehearsal().forget_behaviours();
    std::size_t sent = 0;
    const auto replaced = [&](const std::string& from, const std::string& to) {
        std::string value = genuine.value;
        BOOST_REQUIRE_MESSAGE(value.find(from) != std::string::npos, value);
        return value.replace(value.find(from), from.size(), to);
    };
    const std::string id = genuine.queue_id;
    for (const std::string& value :
         {replaced("mailbox=app@", "mailbox=boss@"), replaced("route=contoso", "route=other"),
          replaced("id=" + id, "id=4zzzzz0zzzzzzzz"), replaced("; mac=", "; action=discard; mac="),
          replaced("; route=contoso", ""), replaced("mac=", "mac=0"), replaced("mac=", "Mac="),
          replaced("; mac=", "; mailbox=boss@contoso.test; mac="), genuine.value + "0",
          genuine.value.substr(0, genuine.value.size() - 1), std::string("graph; mac=")}) {
        Dialogue root = open_lmtp(chain);
        root.expect("XFORWARD IDENT=" + id, "250");
        const std::string answer =
            root.send(kApp, {kAlice},
                      "Message-ID: " + genuine.message_id + "\nX-Postbearer-Route: " + value +
                          "\nFrom: " + kApp + "\nTo: " + kAlice + "\n\nTampered with.\n");
        BOOST_TEST(answer.starts_with("250"), value << ": " << answer);
        BOOST_TEST(chain.milter().log().count("event=routing_header_ignored") == ++sent, value);
    }
    for (const std::string& line : chain.milter().log().lines("event=sent ")) {
        BOOST_TEST(value_of(line, "mailbox") == kApp);
    }
    chain.flush_until("the genuine one", [&] { return chain.rehearsal().accepted() == sent + 1; });
    check_ends(chain, {.graph = {{kAlice, sent}, {kBob, 1}}});
    chain.stop();
}

// ---- local users --------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(another_local_uid_on_the_sockets) {
    GraphChain chain;
    chain.start();
    for (const Path& socket : {chain.milter_socket(), chain.lmtp_socket()}) {
        struct stat status {};
        BOOST_REQUIRE(::stat(socket.c_str(), &status) == 0);
        BOOST_TEST((status.st_mode & 07777U) == 0660U);
        BOOST_TEST(status.st_gid == gid_of_group("postfix"));
        const ActAs nobody(uid_of("nobody"), gid_of_group("nogroup"));
        BOOST_TEST(!RawClient(socket).connected());
    }
    // Opened up behind the daemon's back, the LMTP socket still asks who comes.
    BOOST_REQUIRE(::chmod(chain.lmtp_socket().c_str(), 0666) == 0);
    {
        const ActAs nobody(uid_of("nobody"), gid_of_group("nogroup"));
        Dialogue session = Dialogue::unix_socket(chain.lmtp_socket());
        BOOST_TEST(session.reply() ==
                   "421 4.7.1 uid " + std::to_string(::geteuid()) + " may not deliver here");
        BOOST_TEST(session.reply() == "");
    }
    (void)chain.milter().log().wait_for("<4>event=lmtp_peer_refused uid=");
    check_ends(chain, {});
    check_no_graph_call(chain);
    chain.stop();
}

/// What `socket_mode` says is done: with 0666 every user of the host may send as every mailbox
/// that a route lets through, which the manual says beside it.
BOOST_AUTO_TEST_CASE(sockets_that_are_open_by_configuration) {
    GraphChain chain;
    chain.prepare();
    chain.milter().settings().socket_mode = "0666";
    start_prepared(chain);
    {
        const ActAs nobody(uid_of("nobody"), gid_of_group("nogroup"));
        BOOST_TEST(RawClient(chain.milter_socket()).connected());
        Dialogue session = open_lmtp(chain);
        BOOST_TEST(
            session.send(kApp, {kAlice}, plain_message(kApp, {kAlice}, "open")).starts_with("250"));
        // Not beyond the rules.
        const std::string answer = session.send("a@fabrikam.test", {kAlice},
                                                plain_message("a@fabrikam.test", {kAlice}, "open"));
        BOOST_TEST(answer.starts_with("451 4.3.5 "), answer);
    }
    check_ends(chain, {.graph = {{kAlice, 1}}});
    chain.stop();
}

// ---- allow_from ---------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(allow_from) {
    GraphChainSettings settings;
    settings.routes =
        "[[route]]\nname = \"own\"\nsasl_user = [\"submitter@contoso.test\"]\n"
        "allow_from = [\"submitter@contoso.test\"]\n";
    GraphChain chain(settings);
    chain.start();
    const auto says = [&](const std::string& envelope, const std::string& from) {
        Dialogue user = Dialogue::tcp(chain.submission_port());
        user.open_smtp(kSubmitter, kSubmitterPassword);
        return user.send(envelope, {kAlice},
                         "From: " + from + "\nTo: " + kAlice + "\nSubject: me\n\nMe.\n");
    };
    const std::string own = kSubmitter;
    const std::string ceo = "ceo@contoso.test";
    BOOST_TEST(says(own, own).starts_with("250"));
    BOOST_TEST(says(own, "\"Ceo <ceo@contoso.test>\" <SUBMITTER@Contoso.Test>").starts_with("250"));
    for (const auto& [envelope, from] : std::vector<std::pair<std::string, std::string>>{
             {own, ceo},
             {ceo, own},
             {ceo, ceo},
             {own, own + ", " + ceo},
             {own, own + "\nFrom: " + ceo},
             {own, "submitter@contoso.test <" + ceo + ">"},
             {own, "(submitter@contoso.test) " + ceo},
             {own, "<" + own + "> <" + ceo + ">"},
             {own, "a: " + ceo + ";"}}) {
        const std::string answer = says(envelope, from);
        BOOST_TEST(answer.starts_with("550 5.7.1 "), envelope << ", " << from << ": " << answer);
    }
    check_ends(chain, {.graph = {{kAlice, 2}}});
    chain.stop();
}

BOOST_AUTO_TEST_SUITE_END()
