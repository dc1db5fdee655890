// SPDX-License-Identifier: Apache-2.0
#include "milter/envelope/header_facts.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>

namespace {

using namespace postbearer::milter;
using Strings = std::vector<std::string>;

BOOST_AUTO_TEST_SUITE(header_facts_test)

BOOST_AUTO_TEST_CASE(a_whole_section) {
    const HeaderFacts facts = facts_of(
        "From x@y Sat Nov 21 08:11:26 2026\r\n"
        "Received: from a (b [192.0.2.1])\r\n\tby c (Postfix) with ESMTPSA id 4cQ7lT2Yz9z1x\r\n"
        "\tfor <b@x.example>; Sat, 21 Nov 2026 08:11:26 +0000 (UTC)\r\n"
        "Received: from d by e\r\n"
        "From:\r\n Bear <F@a.example>\r\n"
        "To : B@x.example, g: c@x.example;\r\n"
        "Cc: b@X.example, d@x.example\r\n"
        "Bcc: s@y.example\r\n"
        "Message-ID:\r\n <1@a.example> \r\n"
        "X-Postbearer-Id: A/1\r\n"
        "X-Postbearer-Route: graph;\r\n id=1\r\n"
        "Subject: x\r\n"
        "\r\n"
        "To: body@x.example\r\n");
    BOOST_TEST(facts.from_fields == 1U);
    BOOST_TEST(facts.from == Strings{"f@a.example"}, boost::test_tools::per_element());
    BOOST_TEST(!facts.from_doubtful);
    const Strings recipients{"b@x.example", "c@x.example", "d@x.example"};
    BOOST_TEST(facts.recipients == recipients, boost::test_tools::per_element());
    BOOST_TEST(!facts.recipients_doubtful);
    BOOST_TEST(facts.fragile.empty());
    BOOST_TEST(!facts.resent);
    BOOST_TEST(facts.message_id == "<1@a.example>");
    BOOST_TEST(facts.message_id_fields == 1U);
    BOOST_TEST(facts.received_fields == 2U);
    BOOST_TEST(facts.id_fields == 1U);
    BOOST_TEST(facts.route_headers == Strings{"graph; id=1"}, boost::test_tools::per_element());
    BOOST_TEST(!facts.eight_bit);
    BOOST_TEST(queue_id_in_received(facts.topmost_received) == "4cQ7lT2Yz9z1x");
}

BOOST_AUTO_TEST_CASE(nothing) {
    const HeaderFacts facts = facts_of("");
    BOOST_TEST(facts.from_fields == 0U);
    BOOST_TEST(facts.message_id.empty());
    BOOST_TEST(facts.topmost_received.empty());
}

BOOST_AUTO_TEST_CASE(doubt_and_repetition) {
    HeaderFactsCollector collector;
    collector.add("From", "a@b.example c@b.example");
    collector.add("From", " d@b.example");
    collector.add("to", "undisclosed-recipients:;");
    collector.add("CC", "a@b.example;");
    collector.add("Message-ID", "<1@a>");
    collector.add("Message-Id", "<2@a>");
    collector.add("X-Postbearer-Route", "one");
    collector.add("x-postbearer-route", "two");
    const HeaderFacts facts = std::move(collector).finish();
    BOOST_TEST(facts.from_fields == 2U);
    BOOST_TEST(facts.from.size() == 3U);
    BOOST_TEST(facts.from_doubtful);
    BOOST_TEST(facts.recipients_doubtful);
    BOOST_TEST(facts.message_id.empty());
    BOOST_TEST(facts.message_id_fields == 2U);
    BOOST_TEST(facts.route_headers.size() == 2U);
}

struct FieldRow {
    const char* name;
    const char* value;
    bool fragile;
    bool resent;
    bool eight_bit;
};
std::ostream& operator<<(std::ostream& out, const FieldRow& row) { return out << row.name; }
constexpr FieldRow kFields[] = {
    {"List-Id", "<l>", true, false, false},
    {"list-unsubscribe", "<l>", true, false, false},
    {"List-Unsubscribe-Post", "x", true, false, false},
    {"Auto-Submitted", "no", true, false, false},
    {"PRECEDENCE", "bulk", true, false, false},
    {"Errors-To", "x", true, false, false},
    {"Feedback-ID", "x", true, false, false},
    {"Archived-At", "<x>", true, false, false},
    {"Return-Path", "<x>", false, false, false},
    {"Received", "x", false, false, false},
    {"X-List-Id", "x", false, false, false},
    {"Resent-To", "x", false, true, false},
    {"resent-date", "x", false, true, false},
    {"Subject", "\xc3\xa4", false, false, true},
};
BOOST_DATA_TEST_CASE(kinds_of_fields, boost::unit_test::data::make(kFields), row) {
    HeaderFactsCollector collector;
    collector.add(row.name, row.value);
    const HeaderFacts facts = std::move(collector).finish();
    BOOST_TEST(facts.fragile == (row.fragile ? Strings{row.name} : Strings{}),
               boost::test_tools::per_element());
    BOOST_TEST(facts.resent == row.resent);
    BOOST_TEST(facts.eight_bit == row.eight_bit);
}

struct QueueIdRow {
    const char* name;
    const char* received;
    const char* id;
};
std::ostream& operator<<(std::ostream& out, const QueueIdRow& row) { return out << row.name; }
constexpr QueueIdRow kQueueIds[] = {
    {"sendmail(1), long",
     "by a.example (Postfix, from userid 0)\tid 4cQ7lT2Yz9z1x; Sat, 21 Nov 2026 08:11:26 +0000",
     "4cQ7lT2Yz9z1x"},
    {"sendmail(1), short", "by a (Postfix, from userid 1000) id 0A1B2C3D4E; Sat", "0A1B2C3D4E"},
    {"SMTP, several recipients", "from a (b [192.0.2.1])\tby c (Postfix) with ESMTP id 3F2A1; Sat",
     "3F2A1"},
    {"SMTP, one recipient",
     "from a (b [192.0.2.1]) (using TLSv1.3 with cipher X (256/256 bits)) (Client did not present "
     "a certificate) (Authenticated sender: u) by c (Postfix) with ESMTPSA id 4cQ7l for "
     "<b@x.example>; Sat",
     "4cQ7l"},
    {"folded", "by a (Postfix, from userid 0)\r\n\tid 4cQ7lT2Yz9z1x;\r\n\tSat", "4cQ7lT2Yz9z1x"},
    {"unclear recipient", "by c (Postfix) with SMTP id 4cQ7l for <\"x for <\"@y>; Sat", ""},
    {"name of the client",
     "from (Postfix) with SMTP id FAKE1 (b [192.0.2.1]) by c (Postfix) with "
     "SMTP id 4cQ7l; Sat",
     "4cQ7l"},
    {"another MTA", "from a by b (8.15.2/8.15.2) with ESMTP id 4cQ7l; Sat", ""},
    {"no id", "from a by b (Postfix) with ESMTP; Sat", ""},
    {"no parentheses", "from a by b with ESMTP id 4cQ7l; Sat", ""},
    {"no protocol", "by b (Postfix) ESMTP id 4cQ7l; Sat", ""},
    {"too short", "by b (Postfix) with ESMTP id 4cQ; Sat", ""},
    {"odd characters", "by b (Postfix) with ESMTP id 4c/Q7; Sat", ""},
    {"nothing", "", ""},
};
BOOST_DATA_TEST_CASE(queue_ids, boost::unit_test::data::make(kQueueIds), row) {
    BOOST_TEST(queue_id_in_received(row.received) == row.id);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
