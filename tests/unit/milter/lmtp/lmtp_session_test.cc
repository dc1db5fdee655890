// SPDX-License-Identifier: Apache-2.0
#include "milter/lmtp/lmtp_session.hh"

#include <sys/resource.h>

#include <boost/test/unit_test.hpp>
#include <csignal>
#include <new>
#include <string>

#include "tests/unit/milter/lmtp/lmtp_room.hh"

namespace {

using namespace postbearer;
using namespace postbearer::milter;
using namespace std::chrono_literals;

BOOST_FIXTURE_TEST_SUITE(lmtp_session_test, LmtpRoom)

BOOST_AUTO_TEST_CASE(greets_first_and_delivers_byte_exact) {
    LmtpClient& client = connect();
    BOOST_TEST(client.news() == kGreeting);
    BOOST_TEST(answer_to(client, "LHLO c\r\n") == kHello);
    std::string body;
    for (int i = 0; i < 200'000; ++i) {
        const int byte = i * 7 % 256;
        body += static_cast<char>(byte == '\n' || byte == '.' ? 'n' : byte);
        body += i % 50 == 49 ? "\r\n" : "";
    }
    const std::string message = "Subject: x\r\n\r\n" + body + "\r\n";
    BOOST_TEST(answer_to(client, kEnvelope + "DATA\r\n" + message + ".\r\n") == kTransactionOk);
    BOOST_TEST((deliverer.contents.at(0) == message));
    BOOST_TEST(deliverer.transactions.at(0)->message.header == "Subject: x\r\n\r\n");
    BOOST_TEST(deliverer.transactions.at(0)->peer.uid == ::getuid());
    BOOST_TEST(deliverer.told.at(0));
    BOOST_TEST(answer_to(client, "QUIT\r\n") == kBye);
    BOOST_TEST(client.closed());
    BOOST_TEST(log.lines().empty());
}

BOOST_AUTO_TEST_CASE(all_in_one_write) {
    LmtpClient& client = connect();
    say(client, "LHLO c\r\n" + kTransaction + kTransaction + "QUIT\r\n");
    BOOST_TEST(client.received() == kGreeting + kHello + kTransactionOk + kTransactionOk + kBye);
    BOOST_TEST(client.closed());
    BOOST_TEST(deliverer.transactions.size() == 2U);
}

BOOST_AUTO_TEST_CASE(all_in_one_write_with_late_answers) {
    deliverer.hold();
    LmtpClient& client = greeted();
    BOOST_TEST(answer_to(client, kTransaction + kTransaction + "QUIT\r\n") ==
               kMailOk + kRcptOk + kGoAhead);
    for (std::size_t i = 0; i < 2; ++i) {
        BOOST_TEST(deliverer.held.size() == i + 1);
        BOOST_TEST(server->delivering() == 1U);
        BOOST_TEST(deliverer.held[i](deliverer.replies_for(*deliverer.transactions[i])));
        BOOST_TEST(!deliverer.held[i]({}));  // once is enough
        settle();
    }
    BOOST_TEST(client.news() == kSent + kMailOk + kRcptOk + kGoAhead + kSent + kBye);
    BOOST_TEST(server->sessions() == 0U);
}

BOOST_AUTO_TEST_CASE(replies_to_pipelined_commands_come_in_one_piece) {
    LmtpClient& client = greeted();
    (void)client.send("MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
    settle();
    std::array<char, 1024> buffer{};
    // A stream socket keeps no borders, but our writes are small: one recv(2) gets it all.
    const ssize_t got = ::recv(client.fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    BOOST_TEST(got == static_cast<ssize_t>((kMailOk + kRcptOk + kRcptOk + kGoAhead).size()));
}

BOOST_AUTO_TEST_CASE(a_thousand_recipients) {
    LmtpClient& client = greeted();
    std::string commands = "MAIL FROM:<a@b>\r\n";
    std::string expected = kMailOk;
    std::string finals;
    for (int i = 0; i < 1000; ++i) {
        const std::string address = "r" + std::to_string(i) + "@y.test";
        commands += "RCPT TO:<" + address + ">\r\n";
        expected += kRcptOk;
        finals += "250 2.0.0 sent to " + address + "\r\n";
    }
    BOOST_TEST(answer_to(client, commands + "DATA\r\n") == expected + kGoAhead);
    BOOST_TEST(answer_to(client, "\r\n.\r\n") == finals);
    BOOST_TEST(deliverer.transactions.at(0)->recipients.size() == 1000U);
}

BOOST_AUTO_TEST_CASE(a_hang_up_in_data_delivers_nothing) {
    const std::size_t before = (serve(), open_descriptors());
    LmtpClient& client = greeted();
    say(client, kEnvelope + "DATA\r\nA: b\r\n\r\nx\r\n.\r");
    client.hang_up();
    settle();
    BOOST_TEST(deliverer.transactions.empty());
    BOOST_TEST(server->sessions() == 0U);
    BOOST_TEST(open_descriptors() == before);
}

/// All of it has come, but nobody could learn that it was sent: Postfix tries again.
BOOST_AUTO_TEST_CASE(a_client_that_is_gone_at_the_end_of_data_gets_nothing_sent) {
    LmtpClient& client = greeted();
    (void)client.send(kTransaction);
    client.hang_up();
    settle();
    BOOST_TEST(deliverer.transactions.empty());
    BOOST_TEST(server->sessions() == 0U);
}

BOOST_AUTO_TEST_CASE(a_half_closed_client_gets_its_replies) {
    deliverer.hold();
    LmtpClient& client = greeted();
    (void)client.send(kTransaction);
    client.end_of_commands();
    settle();
    BOOST_REQUIRE(deliverer.held.size() == 1U);
    BOOST_TEST(deliverer.held[0]({{250, "2.0.0", "ok"}}));
    settle();
    BOOST_TEST(client.news() == kMailOk + kRcptOk + kGoAhead + "250 2.0.0 ok\r\n");
    BOOST_TEST(client.closed());
}

BOOST_AUTO_TEST_CASE(an_answer_after_the_client_left) {
    deliverer.hold();
    LmtpClient& client = greeted();
    say(client, kTransaction);
    const std::size_t before = open_descriptors();
    client.hang_up();
    settle();
    BOOST_TEST(open_descriptors() == before - 2);  // ours too: the hang-up was noticed
    BOOST_TEST(server->sessions() == 1U);          // the transaction is still under way
    BOOST_TEST(server->delivering() == 1U);
    pass(1h);
    BOOST_TEST(server->sessions() == 1U);
    BOOST_TEST(!deliverer.held.at(0)({{250, "2.0.0", "ok"}}));
    settle();
    BOOST_TEST(server->sessions() == 0U);
    BOOST_TEST(server->delivering() == 0U);
}

BOOST_AUTO_TEST_CASE(an_answer_in_the_moment_the_client_leaves) {
    deliverer.hold();
    LmtpClient& client = greeted();
    say(client, kTransaction + "QUIT\r\n");
    client.hang_up();  // and the loop has not seen it yet
    BOOST_TEST(!deliverer.held.at(0)({{250, "2.0.0", "ok"}}));
    settle();
    BOOST_TEST(server->sessions() == 0U);
}

BOOST_AUTO_TEST_CASE(an_answer_after_the_server_is_gone) {
    deliverer.hold();
    LmtpClient& client = greeted();
    say(client, kTransaction);
    server.reset();
    BOOST_TEST(client.closed());
    BOOST_TEST(!deliverer.held.at(0)({{250, "2.0.0", "ok"}}));
    settle();
}

template <typename Exception>
void deliverer_throws(LmtpRoom& room, const Exception& exception, std::string_view logged) {
    room.deliverer.act = [&](const Transaction&, const Deliverer::Done&) { throw exception; };
    LmtpClient& client = room.greeted();
    BOOST_TEST(room.answer_to(client, kEnvelope + "RCPT TO:<c@d>\r\nDATA\r\n.\r\nNOOP\r\n") ==
               kMailOk + kRcptOk + kRcptOk + kGoAhead +
                   "451 4.3.0 internal error, try again\r\n451 4.3.0 internal error, try again\r\n"
                   "250 2.0.0 nothing done\r\n");
    BOOST_TEST(room.log.lines().size() == 1U);
    BOOST_TEST(room.log.count("event=lmtp_delivery_failed") == 1U);
    BOOST_TEST(room.log.count(logged) == 1U);
    room.deliverer.act = nullptr;
    BOOST_TEST(room.answer_to(client, kTransaction) == kTransactionOk);
}
BOOST_AUTO_TEST_CASE(a_deliverer_without_memory) {
    deliverer_throws(*this, std::bad_alloc(), "bad_alloc");
}
BOOST_AUTO_TEST_CASE(a_deliverer_that_throws) {
    deliverer_throws(*this, std::runtime_error("broken\r\npart"), "broken??part");
}
BOOST_AUTO_TEST_CASE(a_deliverer_that_throws_a_number) {
    deliverer_throws(*this, 42, "unknown exception");
}

BOOST_AUTO_TEST_CASE(a_deliverer_that_answers_and_then_throws) {
    deliverer.act = [&](const Transaction&, const Deliverer::Done& done) {
        BOOST_TEST(done({{250, "2.0.0", "ok"}}));
        throw std::runtime_error("afterwards");
    };
    LmtpClient& client = greeted();
    BOOST_TEST(answer_to(client, kTransaction + "QUIT\r\n") ==
               kMailOk + kRcptOk + kGoAhead + "250 2.0.0 ok\r\n" + kBye);
    BOOST_TEST(log.lines().size() == 1U);
}

BOOST_AUTO_TEST_CASE(nothing_more_is_read_while_a_transaction_is_delivered) {
    deliverer.hold();
    LmtpClient& client = greeted();
    say(client, kTransaction);
    std::size_t taken = 0;
    for (int i = 0; i < 1000; ++i) {
        taken += client.send(std::string(8192, 'x'));
        settle();
    }
    BOOST_TEST(taken < 2'000'000U);  // what fits into the kernel's buffers, not 8 MB
    client.hang_up();
    settle();
    BOOST_TEST(!deliverer.held.at(0)({}));
}

BOOST_AUTO_TEST_CASE(a_silent_client_is_told_and_let_go) {
    LmtpClient& client = greeted();
    pass(299s);
    say(client, "NOOP\r\n");  // a command begins the time anew
    (void)client.news();
    pass(299s);
    BOOST_TEST(!client.closed());
    say(client, "NOO");  // a trickle of bytes does not
    pass(3s);
    BOOST_TEST(client.news() == "421 4.4.2 no command or data in time\r\n");
    BOOST_TEST(client.closed());
    BOOST_TEST(server->sessions() == 0U);
    pass(2s);
    BOOST_TEST(time.pending() == 0U);  // a daemon without clients sleeps
}

BOOST_AUTO_TEST_CASE(a_client_that_stops_in_data_is_let_go) {
    LmtpClient& client = greeted();
    say(client, kEnvelope + "DATA\r\n");
    for (int i = 0; i < 10; ++i) {
        pass(170s);
        say(client, "x");
    }
    (void)client.news();
    BOOST_TEST(!client.closed());
    pass(182s);
    BOOST_TEST(client.news() == "421 4.4.2 no command or data in time\r\n");
    BOOST_TEST(client.closed());
    BOOST_TEST(deliverer.transactions.empty());
}

BOOST_AUTO_TEST_CASE(a_delivery_has_no_time_limit_here) {
    deliverer.hold();
    LmtpClient& client = greeted();
    say(client, kTransaction);
    pass(1h);
    BOOST_TEST(deliverer.held.at(0)({{250, "2.0.0", "ok"}}));
    settle();
    BOOST_TEST(answer_to(client, "NOOP\r\n").ends_with("250 2.0.0 nothing done\r\n"));
}

BOOST_AUTO_TEST_CASE(replies_nobody_reads_end_the_session) {
    LmtpClient& client = greeted();
    std::string flood;
    for (int i = 0; i < 10'000; ++i) {
        flood += "NOOP\r\n";
    }
    std::size_t sent = 0;
    for (int i = 0; i < 100; ++i) {
        sent += client.send(flood);
        settle();
    }
    BOOST_TEST(sent < 100 * flood.size());  // it does not read what it cannot answer
    pass(299s);
    BOOST_TEST(server->sessions() == 1U);
    pass(3s);
    BOOST_TEST(server->sessions() == 0U);
}

BOOST_AUTO_TEST_CASE(replies_read_late_all_arrive) {
    deliverer.act = [](const Transaction& transaction, const Deliverer::Done& done) {
        (void)done(std::vector<LmtpReply>(transaction.recipients.size(),
                                          LmtpReply{451, "4.3.0", std::string(1900, 'x')}));
    };
    LmtpClient& client = greeted();
    std::string commands = "MAIL FROM:<a@b>\r\n";
    for (int i = 0; i < 1000; ++i) {
        commands += "RCPT TO:<b@y.test>\r\n";
    }
    say(client, commands + "DATA\r\n");
    (void)client.news();
    say(client, ".\r\nQUIT\r\n");
    std::string heard = client.news();
    BOOST_TEST(heard.size() < 1'900'000U);
    for (int i = 0; i < 1000 && !client.closed(); ++i) {
        settle();
    }
    heard += client.news();
    BOOST_TEST(heard.size() > 1'900'000U);
    BOOST_TEST(heard.ends_with("x\r\n" + kBye));
}

/// Lets files grow to `bytes`, for one scope. A limit like any full disk, and it needs no root.
class SmallFiles {
public:
    explicit SmallFiles(rlim_t bytes) {
        old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
        (void)::getrlimit(RLIMIT_FSIZE, &old_);
        const rlimit lower{bytes, old_.rlim_max};
        (void)::setrlimit(RLIMIT_FSIZE, &lower);
    }
    ~SmallFiles() {
        (void)::setrlimit(RLIMIT_FSIZE, &old_);
        (void)std::signal(SIGXFSZ, old_handler_);
    }
    SmallFiles(const SmallFiles&) = delete;
    SmallFiles& operator=(const SmallFiles&) = delete;
    SmallFiles(SmallFiles&&) = delete;
    SmallFiles& operator=(SmallFiles&&) = delete;

private:
    rlimit old_{};
    void (*old_handler_)(int) = SIG_DFL;
};

BOOST_AUTO_TEST_CASE(a_disk_that_fills_up_defers_and_keeps_nothing) {
    LmtpClient& client = greeted();
    const std::size_t before = open_descriptors();
    std::string answer;
    {
        const SmallFiles limit(100'000);
        answer = answer_to(
            client, kEnvelope + "DATA\r\n\r\n" + std::string(300'000, 'x') + "\r\n.\r\nNOOP\r\n");
    }
    BOOST_TEST(answer == kMailOk + kRcptOk + kGoAhead +
                             "452 4.3.1 cannot write in spool directory " + settings.spool_dir +
                             ": File too large\r\n250 2.0.0 nothing done\r\n");
    BOOST_TEST(deliverer.transactions.empty());
    BOOST_TEST(log.count("event=lmtp_spool_failed") == 1U);
    BOOST_TEST(open_descriptors() == before);
    BOOST_TEST(answer_to(client, kTransaction) == kTransactionOk);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
