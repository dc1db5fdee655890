// SPDX-License-Identifier: Apache-2.0
#include "milter/lmtp/lmtp_protocol.hh"

#include <fcntl.h>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "tests/unit/milter/lmtp/lmtp_room.hh"

namespace {

using namespace postbearer;
using namespace postbearer::milter;
using namespace std::string_literals;

/// The protocol alone; transactions are answered at once.
struct ProtocolRoom {
    ProtocolRoom() {
        settings.host = "mail.test";
        settings.spool_dir = "/spool";
    }
    LmtpProtocol& protocol() {
        if (!made) {
            made.emplace(
                std::make_shared<const LmtpSettings>(settings),
                [this]() -> Result<UniqueFd> {
                    if (!spool_error.empty()) {
                        return failure(Errc::Unavailable, spool_error);
                    }
                    return UniqueFd(::open(spool.c_str(), spool_flags, 0600));
                },
                service::Peer{1, 2, {3}}, log);
        }
        return *made;
    }
    /// What comes back, the transactions answered.
    std::string say(std::string_view text) {
        std::string out;
        LmtpProtocol& p = protocol();
        for (;;) {
            text.remove_prefix(p.receive(text));
            out += p.take_output();
            if (const auto transaction = p.take_transaction()) {
                contents.push_back(content_of(transaction->message));
                transactions.push_back(transaction);
                p.answer(TestDeliverer::replies_for(*transaction));
                continue;
            }
            if (text.empty() || p.state() == LmtpProtocol::State::Closing) {
                return out;
            }
        }
    }
    void greet() { (void)say("LHLO c\r\n"); }

    LmtpSettings settings;
    std::string spool = "/tmp";
    int spool_flags = O_TMPFILE | O_RDWR | O_CLOEXEC;
    std::string spool_error;
    test::CaptureLog log;
    std::optional<LmtpProtocol> made;
    std::vector<std::shared_ptr<Transaction>> transactions;
    std::vector<std::string> contents;
};

BOOST_FIXTURE_TEST_SUITE(lmtp_protocol_test, ProtocolRoom)

BOOST_AUTO_TEST_CASE(a_whole_conversation) {
    BOOST_TEST(say("LHLO client\r\n") == kGreeting + kHello);
    BOOST_TEST(say("MAIL FROM:<a@x.test> SIZE=20 BODY=8BITMIME\r\n") == kMailOk);
    BOOST_TEST(say("RCPT TO:<b@y.test>\r\n") == kRcptOk);
    BOOST_TEST(say("RCPT TO:<\"c d\"@y.test>\r\n") == kRcptOk);
    BOOST_TEST(say("DATA\r\n") == kGoAhead);
    BOOST_TEST(say("A: b\r\n\r\nx\r\n.\r\n") == kSent + "250 2.0.0 sent to \"c d\"@y.test\r\n");
    BOOST_TEST(say("QUIT\r\n") == kBye);
    BOOST_TEST((protocol().state() == LmtpProtocol::State::Closing));
    BOOST_REQUIRE(transactions.size() == 1U);
    const Transaction& transaction = *transactions.front();
    BOOST_TEST(transaction.mail_from == "a@x.test");
    BOOST_TEST(transaction.eight_bit_mime);
    BOOST_TEST(!transaction.smtputf8);
    BOOST_TEST(transaction.recipients.size() == 2U);
    BOOST_TEST(transaction.recipients.back() == "\"c d\"@y.test");
    BOOST_TEST(transaction.peer.uid == 2U);
    BOOST_TEST(transaction.message.header == "A: b\r\n\r\n");
    BOOST_TEST(transaction.message.body_offset == 8U);
    BOOST_TEST(contents.front() == "A: b\r\n\r\nx\r\n");
}

/// Byte by byte and at every split, replies and messages are the same.
BOOST_AUTO_TEST_CASE(chunks_make_no_difference) {
    const std::string wire = "LHLO c\r\nNOOP\nXFORWARD IDENT=1\r\n" + kEnvelope +
                             "DATA\r\nA: b\r\n\r\n..\r\n.x\r\n\n.\n.\r\n.\r\n" + kTransaction +
                             "RSET\r\nWHAT\r\nQUIT\r\nNOOP\r\n";
    ProtocolRoom whole;
    const std::string replies = whole.say(wire);
    BOOST_REQUIRE(whole.contents.size() == 2U);
    BOOST_TEST(whole.contents.front() == "A: b\r\n\r\n.\r\nx\r\n\n.\n.\r\n");
    BOOST_TEST(whole.transactions.front()->message.bare_line_feed);
    BOOST_TEST(!whole.transactions.back()->message.bare_line_feed);
    for (std::size_t split = 0; split < wire.size(); ++split) {
        ProtocolRoom room;
        std::string heard = room.say(wire.substr(0, split));
        heard += room.say(wire.substr(split));
        BOOST_TEST(heard == replies);
        BOOST_TEST(room.contents == whole.contents, boost::test_tools::per_element());
    }
    ProtocolRoom slow;
    std::string heard;
    for (const char byte : wire) {
        heard += slow.say(std::string(1, byte));
    }
    BOOST_TEST(heard == replies);
    BOOST_TEST(slow.contents == whole.contents, boost::test_tools::per_element());
}

struct Row {
    const char* name;
    std::string before;
    std::string line;
    std::string reply;
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }
const Row kRows[] = {
    {"MAIL before LHLO", "", "MAIL FROM:<a@b>\r\n", "503 5.5.1 say LHLO first\r\n"},
    {"LHLO without a name", "", "LHLO\r\n", "501 5.5.4 expected LHLO host-name\r\n"},
    {"HELO", "", "HELO c\r\n", "500 5.5.1 this is LMTP, say LHLO\r\n"},
    {"EHLO", "", "EHLO c\r\n", "500 5.5.1 this is LMTP, say LHLO\r\n"},
    {"VRFY", "", "VRFY a\r\n", "252 2.0.0 send a message and its reply will tell\r\n"},
    {"NOOP", "", "noop x\r\n", "250 2.0.0 nothing done\r\n"},
    {"LF alone", "", "NOOP\n", "500 5.5.2 the command line ends in LF without CR\r\n"},
    {"NUL", "", "NO\0P\r\n"s, "500 5.5.2 control character in the command\r\n"},
    {"CR within", "", "NOOP\rNOOP\r\n", "500 5.5.2 control character in the command\r\n"},
    {"RCPT first", "LHLO c\r\n", "RCPT TO:<a@b>\r\n", "503 5.5.1 say MAIL first\r\n"},
    {"DATA first", "LHLO c\r\n", "DATA\r\n", "503 5.5.1 say MAIL first\r\n"},
    {"MAIL twice", "LHLO c\r\nMAIL FROM:<a@b>\r\n", "MAIL FROM:<a@b>\r\n",
     "503 5.5.1 a transaction is under way\r\n"},
    {"XFORWARD too late", "LHLO c\r\nMAIL FROM:<a@b>\r\n", "XFORWARD IDENT=x\r\n",
     "503 5.5.1 a transaction is under way\r\n"},
    {"DATA without recipients", "LHLO c\r\nMAIL FROM:<a@b>\r\n", "DATA\r\n",
     "503 5.5.1 no recipient was taken\r\n"},
    {"DATA with an argument", "LHLO c\r\n" + kEnvelope, "DATA x\r\n",
     "501 5.5.4 no argument expected\r\n"},
    {"RSET forgets", "LHLO c\r\n" + kEnvelope, "RSET\r\nDATA\r\n",
     "250 2.0.0 forgotten\r\n503 5.5.1 say MAIL first\r\n"},
    {"LHLO forgets", "LHLO c\r\n" + kEnvelope, "LHLO c\r\nDATA\r\n",
     kHello + "503 5.5.1 say MAIL first\r\n"},
    {"SIZE too large", "LHLO c\r\n", "MAIL FROM:<a@b> SIZE=157286401\r\n",
     "552 5.3.4 message of 157286401 bytes is larger than the 157286400 bytes that are taken "
     "here\r\n"},
    {"SIZE just right", "LHLO c\r\n", "MAIL FROM:<a@b> SIZE=157286400\r\n", kMailOk},
    {"UTF-8 unasked", "LHLO c\r\n", "MAIL FROM:<\xC3\xBC@b>\r\n",
     "553 5.6.7 sender address is not ASCII, and MAIL did not say SMTPUTF8\r\n"},
};
BOOST_DATA_TEST_CASE(replies, boost::unit_test::data::make(kRows), row) {
    ProtocolRoom room;
    (void)room.say(row.before + "NOOP\r\n");
    BOOST_TEST(room.say(row.line) == row.reply);
    BOOST_TEST(room.say("NOOP\r\n") == "250 2.0.0 nothing done\r\n");  // still in step
}

BOOST_AUTO_TEST_CASE(xforward_belongs_to_one_transaction) {
    greet();
    BOOST_TEST(say("XFORWARD NAME=n ADDR=1.2.3.4 PORT=5\r\nXFORWARD IDENT=Q1 SOURCE=LOCAL\r\n") ==
               "250 2.0.0 taken\r\n250 2.0.0 taken\r\n");
    (void)say(kTransaction + kTransaction);
    BOOST_REQUIRE(transactions.size() == 2U);
    BOOST_TEST(transactions[0]->forwarded.name == "n");
    BOOST_TEST(transactions[0]->forwarded.address == "1.2.3.4");
    BOOST_TEST(transactions[0]->forwarded.port == "5");
    BOOST_TEST(transactions[0]->forwarded.ident == "Q1");
    BOOST_TEST(transactions[0]->forwarded.source == "LOCAL");
    BOOST_TEST(transactions[1]->forwarded.ident.empty());
    (void)say("XFORWARD IDENT=Q2\r\nRSET\r\n" + kTransaction);
    BOOST_TEST(transactions[2]->forwarded.ident.empty());
}

BOOST_AUTO_TEST_CASE(smtputf8_messages) {
    greet();
    BOOST_TEST(say("MAIL FROM:<\xC3\xBC@b> SMTPUTF8\r\nRCPT TO:<\xC3\xA4@b>\r\nDATA\r\n.\r\n") ==
               kMailOk + kRcptOk + kGoAhead + "250 2.0.0 sent to \xC3\xA4@b\r\n");
    BOOST_REQUIRE(transactions.size() == 1U);
    BOOST_TEST(transactions[0]->smtputf8);
    BOOST_TEST(contents[0].empty());
}

BOOST_AUTO_TEST_CASE(oversize_commands_are_skipped_to_the_line_end) {
    greet();
    const std::string fits(kMaxCommandBytes - 7, 'x');
    BOOST_TEST(say("NOOP " + fits + "\r\n") == "250 2.0.0 nothing done\r\n");
    const std::string refusal = "500 5.5.2 command line longer than 4096 bytes\r\n";
    BOOST_TEST(say("NOOP x" + fits + "\r\nNOOP\r\n") == refusal + "250 2.0.0 nothing done\r\n");
    for (int i = 0; i < 100; ++i) {
        BOOST_TEST(say(std::string(10'000, 'y')).empty());
    }
    BOOST_TEST(say("\r\n" + kTransaction) == refusal + kTransactionOk);
}

BOOST_AUTO_TEST_CASE(too_many_errors_end_it) {
    greet();
    for (int i = 0; i < 20; ++i) {
        BOOST_TEST(say("BOGUS\r\n") == "500 5.5.1 command not known\r\n");
    }
    BOOST_TEST(say("NOOP\r\n") == "250 2.0.0 nothing done\r\n");
    BOOST_TEST(say("RCPT\r\nNOOP\r\n") == "421 4.7.0 too many errors\r\n");
    BOOST_TEST((protocol().state() == LmtpProtocol::State::Closing));
    BOOST_TEST(log.lines().size() == 1U);
    BOOST_TEST(log.count("event=lmtp_abuse uid=2 pid=1") == 1U);
}

BOOST_AUTO_TEST_CASE(bad_addresses_are_no_abuse) {
    greet();
    (void)say("MAIL FROM:<a@b>\r\n");
    for (int i = 0; i < 100; ++i) {
        BOOST_TEST(say("RCPT TO:<a..b@c>\r\n").starts_with("501 5.1.3 "));
    }
    BOOST_TEST(say("RCPT TO:<b@y.test>\r\nDATA\r\n.\r\n") == kRcptOk + kGoAhead + kSent);
}

BOOST_AUTO_TEST_CASE(recipients_are_limited) {
    settings.limits.max_recipients = 3;
    greet();
    (void)say("MAIL FROM:<>\r\n");
    const std::string rcpt = "RCPT TO:<b@y.test>\r\n";
    BOOST_TEST(say(rcpt + rcpt + rcpt + rcpt + "DATA\r\n.\r\n") ==
               kRcptOk + kRcptOk + kRcptOk + "452 4.5.3 more than 3 recipients\r\n" + kGoAhead +
                   kSent + kSent + kSent);
    BOOST_TEST(transactions.at(0)->mail_from.empty());
}

BOOST_AUTO_TEST_CASE(a_message_too_large_is_read_to_its_end) {
    settings.limits.max_message_bytes = 1000;
    greet();
    const std::string fits = "A: b\r\n\r\n" + std::string(990, 'x') + "\r\n";
    (void)say(kEnvelope + "DATA\r\n" + fits + ".\r\n");
    BOOST_TEST(contents.at(0) == fits);
    BOOST_TEST(say(kEnvelope + "RCPT TO:<c@d>\r\nDATA\r\n" + fits + "\r\n.\r\nNOOP\r\n") ==
               kMailOk + kRcptOk + kRcptOk + kGoAhead +
                   "552 5.3.4 message of 1002 bytes is larger than the 1000 bytes that are taken "
                   "here\r\n"
                   "552 5.3.4 message of 1002 bytes is larger than the 1000 bytes that are taken "
                   "here\r\n250 2.0.0 nothing done\r\n");
    BOOST_TEST(transactions.size() == 1U);
    BOOST_TEST(say(kTransaction) == kTransactionOk);
}

BOOST_AUTO_TEST_CASE(eight_megabytes_of_headers) {
    greet();
    (void)say(kEnvelope + "DATA\r\n");
    const std::string line = "X-Filler: " + std::string(86, 'x') + "\r\n";
    for (int i = 0; i < 86'000; ++i) {
        BOOST_REQUIRE(say(line).empty());
    }
    BOOST_TEST(say("\r\nbody\r\n.\r\n" + kTransaction) ==
               "552 5.3.4 header section larger than 1048576 bytes\r\n" + kTransactionOk);
    BOOST_TEST(transactions.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_full_disk_keeps_the_session_in_step) {
    spool = "/dev/full";
    spool_flags = O_RDWR | O_CLOEXEC;
    greet();
    BOOST_TEST(say(kEnvelope + "RCPT TO:<c@d>\r\nDATA\r\n" + std::string(200'000, 'x') +
                   "\r\n.\r\nNOOP\r\n") ==
               kMailOk + kRcptOk + kRcptOk + kGoAhead +
                   "452 4.3.1 cannot write in spool directory /spool: No space left on device\r\n"
                   "452 4.3.1 cannot write in spool directory /spool: No space left on device\r\n"
                   "250 2.0.0 nothing done\r\n");
    BOOST_TEST(transactions.empty());
    BOOST_TEST(log.count("event=lmtp_spool_failed") == 1U);
    spool = "/tmp";
    spool_flags = O_TMPFILE | O_RDWR | O_CLOEXEC;
    BOOST_TEST(say(kTransaction) == kTransactionOk);
}

BOOST_AUTO_TEST_CASE(a_spool_that_cannot_be_opened_refuses_data) {
    spool_error = "no spool today";
    greet();
    BOOST_TEST(say("XFORWARD IDENT=Q7\r\n" + kEnvelope + "DATA\r\nNOOP\r\n") ==
               "250 2.0.0 taken\r\n" + kMailOk + kRcptOk +
                   "452 4.3.1 no spool today\r\n250 2.0.0 nothing done\r\n");
    BOOST_TEST(log.last() == "event=lmtp_spool_failed queue_id=Q7 error=\"no spool today\"");
}

BOOST_AUTO_TEST_CASE(missing_replies_are_filled_up_and_extra_ones_dropped) {
    greet();
    (void)say(kEnvelope + "RCPT TO:<c@d>\r\nDATA\r\n");
    BOOST_TEST(protocol().receive(".\r\nNOOP\r\n") == 3U);
    BOOST_TEST(protocol().delivering());
    BOOST_TEST((protocol().take_transaction() != nullptr));
    BOOST_TEST((protocol().take_transaction() == nullptr));
    BOOST_TEST(protocol().receive("NOOP\r\n") == 0U);
    protocol().answer({{250, "2.0.0", "one"}});
    BOOST_TEST(protocol().take_output() ==
               "250 2.0.0 one\r\n451 4.3.0 internal error, try again\r\n");
    (void)say(kEnvelope + "DATA\r\n");
    BOOST_TEST(protocol().receive(".\r\n") == 3U);
    (void)protocol().take_transaction();
    protocol().answer({{550, "5.1.1", "one"}, {250, "2.0.0", "two"}});
    BOOST_TEST(protocol().take_output() == "550 5.1.1 one\r\n");
}

BOOST_AUTO_TEST_CASE(an_idle_session_is_drained_at_once) {
    greet();
    protocol().drain();
    BOOST_TEST(protocol().take_output() == kStopping);
    BOOST_TEST((protocol().state() == LmtpProtocol::State::Closing));
    BOOST_TEST(protocol().receive("NOOP\r\n") == 0U);
}

BOOST_AUTO_TEST_CASE(a_transaction_is_finished_before_the_end) {
    greet();
    (void)say("MAIL FROM:<a@x.test>\r\n");
    protocol().drain();
    BOOST_TEST(say("RCPT TO:<b@y.test>\r\nDATA\r\n.\r\n" + kTransaction) ==
               kRcptOk + kGoAhead + kSent + kStopping);
    BOOST_TEST(transactions.size() == 1U);
}

BOOST_AUTO_TEST_CASE(rset_while_draining_is_the_end) {
    greet();
    (void)say("MAIL FROM:<a@x.test>\r\n");
    protocol().drain();
    BOOST_TEST(say("RSET\r\n") == "250 2.0.0 forgotten\r\n" + kStopping);
}

BOOST_AUTO_TEST_CASE(much_pipelining_waits_for_the_replies_to_be_sent) {
    greet();
    std::string wire;
    for (int i = 0; i < 10'000; ++i) {
        wire += "NOOP\r\n";
    }
    const std::size_t taken = protocol().receive(wire);
    BOOST_TEST(taken < wire.size());
    BOOST_TEST(protocol().take_output().size() < 70'000U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
