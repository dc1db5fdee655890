// SPDX-License-Identifier: Apache-2.0
// The LMTP front under clients that are not lmtp(8): word by word on its socket.
#include <boost/test/unit_test.hpp>
#include <memory>

#include "tests/e2e/graph_ends.hh"

using namespace postbearer::test;

namespace {

constexpr const char* kSlowGraph =
    R"({"endpoint":"sendmail","times":1,"do":{"kind":"latency","ms":2000}})";

/// The chain without its Postfix: nobody but the test speaks LMTP.
struct LmtpRoom {
    LmtpRoom() {
        chain.prepare();
        chain.agent().start();
        chain.milter().start();
    }
    ~LmtpRoom() {
        try {
            chain.milter().stop();
        } catch (const std::exception& error) {
            BOOST_ERROR(error.what());
        }
    }
    LmtpRoom(const LmtpRoom&) = delete;
    LmtpRoom& operator=(const LmtpRoom&) = delete;
    LmtpRoom(LmtpRoom&&) = delete;
    LmtpRoom& operator=(LmtpRoom&&) = delete;

    [[nodiscard]] Dialogue open() const {
        Dialogue session = Dialogue::unix_socket(chain.lmtp_socket());
        BOOST_TEST(session.reply().starts_with("220 "));
        session.expect("LHLO lab.test", "250");
        return session;
    }
    /// Up to DATA, which waits for its message.
    static void open_data(Dialogue& session, const std::vector<std::string>& to = {kAlice},
                          const std::string& queue_id = "") {
        if (!queue_id.empty()) {
            session.expect("XFORWARD IDENT=" + queue_id, "250");
        }
        session.expect("MAIL FROM:<" + std::string(kApp) + ">", "250");
        for (const std::string& recipient : to) {
            session.expect("RCPT TO:<" + recipient + ">", "250");
        }
        session.expect("DATA", "354");
    }
    static std::string send(Dialogue& session, const std::string& subject = "hello") {
        return session.send(kApp, {kAlice}, plain_message(kApp, {kAlice}, subject));
    }
    void check_served() const {
        Dialogue session = open();
        BOOST_TEST(send(session).starts_with("250 2.0.0 "));
        BOOST_TEST(session.say("QUIT").starts_with("221"));
    }
    [[nodiscard]] Copies copies() const { return graph_copies(chain.rehearsal()); }
    [[nodiscard]] Rehearsal& rehearsal() { return chain.rehearsal(); }

    mutable GraphChain chain;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(graph_lmtp_test, LmtpRoom)

BOOST_AUTO_TEST_CASE(hang_ups_before_the_end_of_data_send_nothing) {
    for (const char* words : {"", "From: app@contoso.test\r\n", "From: a@b\r\n\r\nText\r\n.",
                              "From: a@b\r\n\r\nText\r\n.\r", "From: a@b\r\n\r\nText\r\n.\n"}) {
        Dialogue session = open();
        open_data(session);
        session.write(words);
        session.close();
    }
    check_served();
    BOOST_TEST(rehearsal().accepted() == 1U);
    BOOST_TEST(rehearsal().counter("graph_requests") == 1U);
}

BOOST_AUTO_TEST_CASE(reset_forgets_and_the_next_transaction_is_clean) {
    Dialogue session = open();
    session.expect("XFORWARD IDENT=4forgotten", "250");
    session.expect("MAIL FROM:<app@contoso.test>", "250");
    session.expect("RCPT TO:<bob@example.test>", "250");
    session.expect("MAIL FROM:<app@contoso.test>", "503");
    session.expect("RSET", "250");
    session.expect("RCPT TO:<bob@example.test>", "503");
    session.expect("DATA", "503");
    BOOST_TEST(send(session).starts_with("250"));
    BOOST_TEST(chain.milter().log().count("4forgotten") == 0U);
    BOOST_TEST(copies() == (Copies{{kAlice, 1}}));
}

BOOST_AUTO_TEST_CASE(two_transactions_of_one_session) {
    Dialogue session = open();
    BOOST_TEST(send(session, "one").starts_with("250"));
    BOOST_TEST(session.send(kApp, {kBob}, plain_message(kApp, {kBob}, "two")).starts_with("250"));
    BOOST_TEST(copies() == (Copies{{kAlice, 1}, {kBob, 1}}));
}

BOOST_AUTO_TEST_CASE(eight_megabytes_of_headers) {
    Dialogue session = open();
    open_data(session);
    std::string line = "X-Filler: " + std::string(900, 'x') + "\r\n";
    std::string headers = "From: app@contoso.test\r\n";
    while (headers.size() < 8 << 20) {
        headers += line;
    }
    session.write(headers + "\r\nText\r\n.\r\n");
    const std::string answer = session.reply();
    BOOST_TEST(answer.starts_with("552 5.3.4 header section larger than"), answer);
    BOOST_TEST(send(session).starts_with("250"));
    BOOST_TEST(rehearsal().accepted() == 1U);
}

BOOST_AUTO_TEST_CASE(bare_line_feed) {
    Dialogue session = open();
    for (const char* message : {"From: app@contoso.test\r\nTo: alice@example.test\r\n\r\na\nb\r\n",
                                "From: app@contoso.test\nTo: alice@example.test\r\n\r\na\r\n",
                                "From: app@contoso.test\r\n\r\nend\n.\nMAIL FROM:<a@b>\r\n"}) {
        open_data(session);
        session.write(std::string(message) + ".\r\n");
        const std::string answer = session.reply();
        BOOST_TEST(answer.starts_with("554 5.6.11 "), answer);
    }
    BOOST_TEST(send(session).starts_with("250"));
    BOOST_TEST(rehearsal().counter("graph_requests") == 1U);
}

BOOST_AUTO_TEST_CASE(dot_stuffing) {
    const std::string body = ".\r\n..\r\n.leading\r\na.b\r\n...\r\n\r\n.\r\rx\r\n. \r\n";
    Dialogue session = open();
    BOOST_TEST(session.send(kApp, {kAlice}, plain_message(kApp, {kAlice}, "dots", "", body))
                   .starts_with("250"));
    BOOST_TEST(body_of(last_raw(rehearsal())) == body);
}

BOOST_AUTO_TEST_CASE(pipelining) {
    Dialogue session = Dialogue::unix_socket(chain.lmtp_socket());
    const std::string message =
        "From: app@contoso.test\r\nTo: alice@example.test\r\n\r\nPiped.\r\n.\r\n";
    std::string all = "LHLO lab.test\r\n";
    constexpr std::size_t kTimes = 20;
    for (std::size_t i = 0; i < kTimes; ++i) {
        all += "XFORWARD IDENT=4piped" + std::to_string(i) +
               "\r\nMAIL FROM:<app@contoso.test>\r\nRCPT TO:<nobody>\r\n"
               "RCPT TO:<alice@example.test>\r\nDATA\r\n" +
               message;
    }
    session.write(all + "QUIT\r\n");
    BOOST_TEST(session.reply().starts_with("220"));
    BOOST_TEST(session.reply().starts_with("250"));
    for (std::size_t i = 0; i < kTimes; ++i) {
        for (const char* code : {"250", "250", "501", "250", "354", "250 2.0.0"}) {
            const std::string answer = session.reply();
            BOOST_TEST(answer.starts_with(code), i << ": " << answer << ", not " << code);
        }
    }
    BOOST_TEST(session.reply().starts_with("221"));
    BOOST_TEST(session.reply() == "");
    BOOST_TEST(copies() == (Copies{{kAlice, kTimes}}));
}

BOOST_AUTO_TEST_CASE(a_thousand_recipients) {
    std::vector<std::string> recipients;
    Copies wanted;
    for (int i = 0; i < 1000; ++i) {
        recipients.push_back("r" + std::to_string(i) + "@example.test");
        wanted[recipients.back()] = 1;
    }
    recipients.push_back("R7@Example.TEST");  // the same mailbox again: one copy, two answers
    Dialogue session = open();
    open_data(session, recipients);
    session.write_message(plain_message(kApp, {recipients[0], recipients[999]}, "many"));
    for (std::size_t i = 0; i < recipients.size(); ++i) {
        const std::string answer = session.reply();
        BOOST_TEST(answer.starts_with("250 2.0.0 "), recipients[i] << ": " << answer);
    }
    BOOST_TEST(copies() == wanted);
    BOOST_TEST(rehearsal().accepted() == 2U);  // Graph takes 500 at a time
    BOOST_TEST(send(session).starts_with("250"));
}

BOOST_AUTO_TEST_CASE(size_too_large) {
    Dialogue session = open();
    BOOST_TEST(session.say("MAIL FROM:<app@contoso.test> SIZE=157286401").starts_with("552 5.3.4"));
    BOOST_TEST(session.say("RCPT TO:<a@b.test>").starts_with("503"));
    BOOST_TEST(session.say("MAIL FROM:<app@contoso.test> SIZE=99999999999999999999").front() ==
               '5');
    session.expect("MAIL FROM:<app@contoso.test> SIZE=157286400 BODY=8BITMIME", "250");
    session.expect("RSET", "250");
    BOOST_TEST(send(session).starts_with("250"));
}

BOOST_AUTO_TEST_CASE(xforward) {
    Dialogue session = open();
    session.expect("XFORWARD NAME=host.test ADDR=192.0.2.1 PORT=25", "250");
    session.expect("XFORWARD PROTO=ESMTP HELO=[UNAVAILABLE] IDENT=4jWmXT2C3Dz1gsSn SOURCE=REMOTE",
                   "250");
    BOOST_TEST(session.say("XFORWARD NONSENSE").front() == '5');
    BOOST_TEST(session.say("XFORWARD IDENT=+0").front() == '5');
    session.expect("XFORWARD IDENT=4jWmXT2C3Dz1gsSn", "250");
    BOOST_TEST(send(session).starts_with("250"));
    BOOST_TEST(chain.milter().log().count("event=sent queue_id=4jWmXT2C3Dz1gsSn ") == 1U);
    BOOST_TEST(send(session).starts_with("250"));  // it was the first message's only
    BOOST_TEST(chain.milter().log().count("event=sent queue_id=4jWmXT2C3Dz1gsSn ") == 1U);
    BOOST_TEST(copies() == (Copies{{kAlice, 2}}));
}

BOOST_AUTO_TEST_CASE(too_many_errors_end_the_session) {
    Dialogue session = open();
    std::string answer;
    int errors = 0;
    while ((answer = session.say("NONSENSE")).starts_with("500")) {
        ++errors;
    }
    BOOST_TEST(answer.starts_with("421 4.7.0"), answer);
    BOOST_TEST(errors == 20);
    BOOST_TEST(session.reply() == "");
    check_served();
}

// ---- load ---------------------------------------------------------------------------------------

/// Bytes that come one by one keep their own session open and nobody else's.
BOOST_AUTO_TEST_CASE(a_slow_drip_keeps_nobody_waiting) {
    std::vector<std::unique_ptr<Dialogue>> slow;
    for (int i = 0; i < 100; ++i) {
        slow.push_back(std::make_unique<Dialogue>(open()));
        open_data(*slow.back());
    }
    const std::string message = "From: app@contoso.test\r\nTo: alice@example.test\r\n\r\nDrip.\r\n";
    for (const char c : message) {
        for (const auto& session : slow) {
            session->write(std::string(1, c));
        }
        if (c == '\n') {
            check_served();
        }
    }
    const std::uint64_t before = rehearsal().accepted();
    for (const auto& session : slow) {
        session->write(".\r\n");
    }
    std::size_t good = 0;
    for (const auto& session : slow) {
        good += session->reply().starts_with("250") ? 1 : 0;
    }
    // A mailbox has its share of the sessions; who is beyond it tries again.
    BOOST_TEST(good > 0U);
    BOOST_TEST(rehearsal().accepted() == before + good);
    check_served();
}

/// Who has been idle longest gives way; sessions at work are not touched.
BOOST_AUTO_TEST_CASE(three_hundred_idle_sessions) {
    std::vector<std::unique_ptr<Dialogue>> idle;
    for (int i = 0; i < 300; ++i) {
        idle.push_back(std::make_unique<Dialogue>(Dialogue::unix_socket(chain.lmtp_socket())));
        BOOST_TEST(idle.back()->reply().starts_with("220 "));
    }
    BOOST_TEST(idle.front()->reply().starts_with("421 4.3.2 "));
    BOOST_TEST(idle.back()->say("LHLO lab.test").starts_with("250"));
    BOOST_TEST(send(*idle.back()).starts_with("250"));
    check_served();
}

BOOST_AUTO_TEST_CASE(two_hundred_fifty_sessions_at_work) {
    std::vector<std::unique_ptr<Dialogue>> busy;
    for (int i = 0; i < 250; ++i) {
        busy.push_back(std::make_unique<Dialogue>(open()));
        (void)busy.back()->expect(std::string("MAIL FROM:<") + kApp + ">", "250");
    }
    BOOST_TEST(
        Dialogue::unix_socket(chain.lmtp_socket()).reply().starts_with("421 4.3.2 all 250 "));
    BOOST_TEST(chain.milter().log().count("<4>event=lmtp_sessions_full") == 1U);
    busy.clear();
    wait_until("a free session", [&] {
        return Dialogue::unix_socket(chain.lmtp_socket()).reply().starts_with("220");
    });
    check_served();
}

// ---- answers that find nobody -------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_client_that_hangs_up_before_the_answer) {
    const std::string message = plain_message(kApp, {kAlice, kBob}, "gone");
    (void)rehearsal().behave(kSlowGraph);
    Dialogue gone = open();
    open_data(gone, {kAlice, kBob}, "4gonegonegone");
    gone.write_message(message);
    wait_until("Graph to have it", [&] { return rehearsal().counter("graph_requests") == 1; });
    gone.close();
    (void)chain.milter().log().wait_for("event=client_gone queue_id=4gonegonegone");
    Dialogue again = open();
    open_data(again, {kBob, kAlice}, "4gonegonegone");
    again.write_message(message);
    for (int i = 0; i < 2; ++i) {
        const std::string answer = again.reply();
        BOOST_TEST(answer.starts_with("250 2.0.0 "), answer);
    }
    BOOST_TEST(chain.milter().log().count("event=answered_again") == 1U);
    BOOST_TEST(copies() == (Copies{{kAlice, 1}, {kBob, 1}}));
    BOOST_TEST(rehearsal().counter("graph_requests") == 1U);
}

BOOST_AUTO_TEST_CASE(the_same_message_in_two_transactions_at_once) {
    const std::string message = plain_message(kApp, {kAlice, kBob}, "twice");
    (void)rehearsal().behave(kSlowGraph);
    Dialogue first = open();
    open_data(first, {kAlice}, "4twicetwicetw");
    first.write_message(message);
    wait_until("Graph to have it", [&] { return rehearsal().counter("graph_requests") == 1; });
    Dialogue second = open();
    open_data(second, {kAlice, kBob}, "4twicetwicetw");
    second.write_message(message);
    const std::string answer = second.reply();
    BOOST_TEST(answer.starts_with("451 4.3.0 "), answer);
    BOOST_TEST(answer.find("may have been delivered") != std::string::npos, answer);
    BOOST_TEST(second.reply().starts_with("250 "));  // the other one had not been sent to
    BOOST_TEST(first.reply().starts_with("250 "));
    BOOST_TEST(copies() == (Copies{{kAlice, 1}, {kBob, 1}}));
}

BOOST_AUTO_TEST_SUITE_END()
