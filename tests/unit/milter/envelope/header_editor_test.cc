// SPDX-License-Identifier: Apache-2.0
#include "milter/envelope/header_editor.hh"

#include <algorithm>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <set>
#include <string>

#include "common/text.hh"
#include "milter/envelope/address.hh"
#include "milter/envelope/header_block.hh"
#include "tests/unit/milter/envelope/envelope_table.hh"
#include "tests/unit/milter/envelope/second_opinion.hh"

namespace {

using namespace postbearer;
using namespace postbearer::milter;
using namespace postbearer::milter::test;
using namespace std::string_literals;

BOOST_AUTO_TEST_SUITE(header_editor_test)

constexpr const char* kFrame = "From: Bear <f@a.example>\nMessage-ID: <1@a.example>\n";
constexpr const char* kTail = "X-Postbearer-Id: 4cQ7l/1\n\n";

std::string crlf(std::string_view text) {
    std::string out;
    for (const char byte : text) {
        out += byte == '\n' ? "\r\n"s : std::string(1, byte);
    }
    return out;
}

std::vector<std::string> words(std::string_view text) {
    std::vector<std::string> out;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        out.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

HeaderEdit edit_of(std::string_view section, std::vector<std::string> recipients) {
    HeaderEdit edit;
    edit.section = section;
    edit.recipients = std::move(recipients);
    edit.mailbox = "box@mailbox.example";
    edit.mail_from = "m@a.example";
    edit.id = "4cQ7l";
    edit.fallback_message_id = "<fallback@a.example>";
    return edit;
}

std::string key_of(const std::string& address) {
    return address_key(address).value_or(ascii_lower(address));
}

std::set<std::string> keys_of(const std::vector<std::string>& recipients) {
    std::set<std::string> keys;
    for (const std::string& recipient : recipients) {
        keys.insert(key_of(recipient));
    }
    return keys;
}

/// Whom our own parser finds in To, Cc and Bcc.
std::set<std::string> named_in(const std::string& section) {
    std::set<std::string> keys;
    const std::string tidy = tidy_section(section);
    for (const HeaderField& field : split_fields(tidy)) {
        if (field.is("To") || field.is("Cc") || field.is("Bcc")) {
            for (const ParsedAddress& address : parse_address_list(field.value).addresses) {
                keys.insert(address.key);
            }
        }
    }
    return keys;
}

std::size_t longest_line(std::string_view text) {
    std::size_t longest = 0;
    while (!text.empty()) {
        const std::size_t end = text.find("\r\n");
        longest = std::max(longest, end);
        text.remove_prefix(end + 2);
    }
    return longest;
}

/// What holds for every header that is not refused.
void check_exact(const HeaderEdit& edit, const EditedHeader& edited) {
    const std::set<std::string> wanted = keys_of(edit.recipients);
    BOOST_TEST(named_in(edited.bytes) == wanted, boost::test_tools::per_element());
    const SecondOpinion opinion = read_with_gmime(edited.bytes);
    if (std::all_of(wanted.begin(), wanted.end(),
                    [](const std::string& key) { return address_key(key).has_value(); })) {
        BOOST_TEST(opinion.keys == wanted, boost::test_tools::per_element());
    }  // GMime drops what is no addr-spec
    BOOST_TEST(!opinion.has_group);
    BOOST_TEST(opinion.from.size() == 1U);
    BOOST_TEST(edited.visible + edited.hidden == wanted.size());
    BOOST_TEST(!has_stray_line_ends(edited.bytes));
    BOOST_TEST(longest_line(edited.bytes) <= 998U);
    HeaderEdit again = edit;
    again.section = edited.bytes;
    const auto twice = edit_header(again);
    BOOST_REQUIRE(twice.has_value());
    BOOST_TEST(named_in(twice->bytes) == wanted, boost::test_tools::per_element());
    BOOST_TEST(twice->trimmed.empty());
}

void check_row(const EnvelopeRow& row, const std::string& frame) {
    const std::string section = crlf(frame + row.section + '\n');
    std::string recipients = row.recipients;
    HeaderEdit edit = edit_of(section, words(crlf(recipients)));
    edit.mail_from = row.mail_from;
    edit.visible = row.visible;
    const auto edited = edit_header(edit);
    if (row.expected[0] == '!') {
        BOOST_REQUIRE(!edited.has_value());
        const HeaderRefusal& refused = edited.error();
        BOOST_TEST("!" + std::to_string(refused.code) + ' ' + refused.enhanced == row.expected);
        BOOST_TEST(is_plain_utf8(refused.text));
        return;
    }
    BOOST_REQUIRE_MESSAGE(edited.has_value(), edited.error().text);
    BOOST_TEST(edited->bytes == crlf(frame + row.expected + kTail));
    check_exact(edit, *edited);
}

BOOST_DATA_TEST_CASE(recipients, boost::unit_test::data::make(recipient_rows()), row) {
    check_row(row, kFrame);
}
BOOST_DATA_TEST_CASE(hostile, boost::unit_test::data::make(hostile_rows()), row) {
    check_row(row, kFrame);
}
BOOST_DATA_TEST_CASE(whole_sections, boost::unit_test::data::make(whole_rows()), row) {
    check_row(row, "");
}

BOOST_AUTO_TEST_CASE(the_table_is_long_enough) {
    BOOST_TEST(recipient_rows().size() + hostile_rows().size() + whole_rows().size() >= 80U);
}

BOOST_AUTO_TEST_CASE(six_hundred_hidden_recipients_are_folded) {
    std::vector<std::string> recipients;
    recipients.reserve(600);
    for (int i = 0; i < 600; ++i) {
        recipients.push_back("someone.with.a.long.name." + std::to_string(i) + "@x.example");
    }
    const std::string section = crlf(kFrame + "To: s@y.example\n\n"s);
    const HeaderEdit edit = edit_of(section, recipients);
    const auto edited = edit_header(edit);
    BOOST_REQUIRE(edited.has_value());
    BOOST_TEST(longest_line(edited->bytes) <= 78U);
    BOOST_TEST(edited->hidden == 600U);
    check_exact(edit, *edited);
}

BOOST_AUTO_TEST_CASE(six_hundred_visible_recipients_pass_unchanged) {
    std::vector<std::string> recipients;
    std::string to = "To: b@x.example";
    for (int i = 0; i < 600; ++i) {
        recipients.push_back("r" + std::to_string(i) + "@x.example");
        to += ",\n " + recipients.back();
    }
    recipients.emplace_back("b@x.example");
    const std::string section = crlf(kFrame + to + "\n\n");
    const HeaderEdit edit = edit_of(section, recipients);
    const auto edited = edit_header(edit);
    BOOST_REQUIRE(edited.has_value());
    BOOST_TEST(edited->visible == 601U);
    BOOST_TEST(!edited->rewritten);
    BOOST_TEST(edited->bytes == crlf(kFrame + to + '\n' + kTail));
    check_exact(edit, *edited);
}

BOOST_AUTO_TEST_CASE(the_longest_addresses_fit_on_a_line) {
    const std::string longest = std::string(880, 'a') + "@x.example";
    const std::string section = crlf(kFrame + "\n"s);
    const HeaderEdit edit = edit_of(section, {longest, "b@x.example", longest + "e"});
    const auto edited = edit_header(edit);
    BOOST_REQUIRE(edited.has_value());
    check_exact(edit, *edited);
    BOOST_TEST(!edit_header(edit_of(section, {std::string(900, 'a') + "@x.example"})));
}

BOOST_AUTO_TEST_CASE(a_long_display_name_is_left_out_when_a_line_could_grow) {
    const std::string section =
        crlf(kFrame + "To: s@y.example,"s + std::string(950, 'n') + " <b@x.example>\n\n");
    const HeaderEdit edit = edit_of(section, {"b@x.example"});
    const auto edited = edit_header(edit);
    BOOST_REQUIRE(edited.has_value());
    BOOST_TEST(edited->bytes == crlf(kFrame + "To: b@x.example\n"s + kTail));
}

BOOST_AUTO_TEST_CASE(a_line_that_somebody_could_cut_is_folded) {
    std::vector<std::string> recipients;
    std::string to = "To: b@x.example";
    for (int i = 0; i < 100; ++i) {
        recipients.push_back("r" + std::to_string(i) + "@x.example");
        to += ", " + recipients.back();
    }
    recipients.emplace_back("b@x.example");
    const std::string section = crlf(kFrame + to + "\n\n");
    const HeaderEdit edit = edit_of(section, recipients);
    const auto edited = edit_header(edit);
    BOOST_REQUIRE(edited.has_value());
    BOOST_TEST(edited->visible == 101U);
    BOOST_TEST(edited->rewritten);
    check_exact(edit, *edited);
}

BOOST_AUTO_TEST_CASE(the_result_says_what_was_done) {
    const std::string section = crlf(kFrame +
                                     "Bcc: t@y.example\nTo: b@x.example, S <s@y.example>\n"
                                     "Cc: s@y.example\nResent-To: r@y.example\n\n"s);
    const auto edited = edit_header(edit_of(section, {"b@x.example", "c@x.example"}));
    BOOST_REQUIRE(edited.has_value());
    BOOST_TEST(edited->visible == 1U);
    BOOST_TEST(edited->hidden == 1U);
    BOOST_TEST(edited->rewritten);
    const std::vector<std::string> trimmed{"s@y.example", "s@y.example"};
    BOOST_TEST(edited->trimmed == trimmed, boost::test_tools::per_element());
    const std::vector<std::string> removed{"Bcc", "Cc", "Resent-To"};
    BOOST_TEST(edited->removed == removed, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(later_batches_carry_their_number) {
    const std::string section = crlf(kFrame + "To: b@x.example\n\n"s);
    HeaderEdit edit = edit_of(section, {"c@x.example"});
    edit.batch = 2;
    edit.visible = false;
    const auto edited = edit_header(edit);
    BOOST_REQUIRE(edited.has_value());
    BOOST_TEST(edited->bytes == crlf(kFrame + "Bcc: c@x.example\nX-Postbearer-Id: 4cQ7l/2\n\n"s));
}

BOOST_AUTO_TEST_CASE(a_mailbox_id_has_no_domain) {
    const std::string section = crlf(kFrame + "DKIM-Signature: d=mailbox.example\n\n"s);
    HeaderEdit edit = edit_of(section, {"c@x.example"});
    edit.mailbox = "2f0a4a0e-9a1b-4c61-8b8e-0a8a2b0f7d11";
    const auto edited = edit_header(edit);
    BOOST_REQUIRE(edited.has_value());
    BOOST_TEST(edited->bytes.find("DKIM-Signature") != std::string::npos);
}

struct EndRow {
    const char* name;
    const char* section;
    std::size_t size;
    bool good;
};
std::ostream& operator<<(std::ostream& out, const EndRow& row) { return out << row.name; }
constexpr EndRow kEnds[] = {
    {"no empty line", "From: f@a.example\r\n", 19, true},
    {"no last line end", "From: f@a.example", 17, true},
    {"more than the section", "From: f@a.example\r\n\r\nTo: s@y.example\r\n", 38, true},
    {"empty line alone", "\r\n", 2, true},
    {"bare CR", "From: f@a.example\rTo: s@y.example\r\n\r\n", 36, false},
    {"bare CR at the end", "From: f@a.example\r", 18, false},
    {"bare LF", "From: f@a.example\nTo: s@y.example\r\n\r\n", 36, false},
    {"CR CR LF", "From: f@a.example\r\r\n\r\n", 22, false},
    {"NUL", "From: f@a.example\r\nX: \0\r\n\r\n", 26, false},
};
BOOST_DATA_TEST_CASE(line_ends, boost::unit_test::data::make(kEnds), row) {
    const auto edited =
        edit_header(edit_of(std::string_view(row.section, row.size), {"b@x.example"}));
    BOOST_REQUIRE(edited.has_value() == row.good);
    if (row.good) {
        BOOST_TEST(edited->bytes.ends_with(crlf("Bcc: b@x.example\nX-Postbearer-Id: 4cQ7l/1\n\n")));
    } else {
        BOOST_TEST(edited.error().enhanced == "5.6.11");
    }
}

struct LoopRow {
    const char* name;
    int received;
    int ids;
    bool good;
};
std::ostream& operator<<(std::ostream& out, const LoopRow& row) { return out << row.name; }
constexpr LoopRow kLoops[] = {
    {"as far as it may", 25, 5, true},
    {"one Received more", 26, 0, false},
    {"one id more", 0, 6, false},
};
BOOST_DATA_TEST_CASE(loops, boost::unit_test::data::make(kLoops), row) {
    std::string section = crlf(kFrame);
    for (int i = 0; i < row.received; ++i) {
        section += "Received: x\r\n";
    }
    for (int i = 0; i < row.ids; ++i) {
        section += "x-postbearer-id: x/1\r\n";
    }
    const auto edited = edit_header(edit_of(section, {"b@x.example"}));
    BOOST_REQUIRE(edited.has_value() == row.good);
    if (!row.good) {
        BOOST_TEST(edited.error().code == 554);
        BOOST_TEST(edited.error().enhanced == "5.4.6");
    }
}

BOOST_AUTO_TEST_CASE(refusals_name_the_culprit) {
    const std::string section = crlf(kFrame + "\n"s);
    const auto bad_recipient = edit_header(edit_of(section, {"b@x.example", "a b@x.example"}));
    BOOST_REQUIRE(!bad_recipient.has_value());
    BOOST_TEST(bad_recipient.error().text.find("<a b@x.example>") != std::string::npos);
    const std::string no_address = crlf("From: Scanner 3\n\n");
    const auto bad_from = edit_header(edit_of(no_address, {"b@x.example"}));
    BOOST_REQUIRE(!bad_from.has_value());
    BOOST_TEST(bad_from.error().text.find("(Scanner 3)") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
