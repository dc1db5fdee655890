// SPDX-License-Identifier: Apache-2.0
#include "milter/routing/mailbox_map.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>

#include "milter/envelope/mailbox_name.hh"

namespace postbearer::milter {
namespace {

BOOST_AUTO_TEST_SUITE(mailbox_map_test)

constexpr const char* kText =
    "# who sends for whom\r\n"
    "\n"
    "Boss@Contoso.com\tboss@contoso.onmicrosoft.com\r\n"
    "  @contoso.com   Shared@Contoso.com\n"
    "sasl:Scanner 11111111-2222-3333-4444-555555555555\n"
    "sasl:svc@contoso.com svc@contoso.com\n"
    "* rest@contoso.com";

struct Row {
    const char* name;
    const char* from;
    const char* sasl_user;
    const char* mailbox;
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }

constexpr Row kRows[] = {
    {"address before all others", "boss@contoso.com", "scanner", "boss@contoso.onmicrosoft.com"},
    {"sasl user before the domain", "bob@contoso.com", "SCANNER",
     "11111111-2222-3333-4444-555555555555"},
    {"sasl user with a domain", "bob@contoso.com", "svc@contoso.com", "svc@contoso.com"},
    {"domain before the star", "bob@contoso.com", "", "shared@contoso.com"},
    {"star", "bob@fabrikam.com", "nobody", "rest@contoso.com"},
    {"no From", "", "scanner", "11111111-2222-3333-4444-555555555555"},
    {"a subdomain is another domain", "bob@sub.contoso.com", "", "rest@contoso.com"},
    {"a sender cannot spell a sasl user", "sasl:scanner", "", "rest@contoso.com"},
    {"nor one with a domain", "sasl:svc@contoso.com", "", "shared@contoso.com"},
};

BOOST_DATA_TEST_CASE(the_most_specific_key_wins, boost::unit_test::data::make(kRows), row) {
    std::vector<MailboxMap::Mistake> mistakes;
    const MailboxMap map = MailboxMap::parse(kText, mistakes);
    BOOST_TEST(mistakes.empty());
    BOOST_TEST(map.size() == 5U);
    BOOST_TEST(map.find(row.from, row.sasl_user) == row.mailbox);
}

BOOST_AUTO_TEST_CASE(without_a_key_there_is_no_mailbox) {
    std::vector<MailboxMap::Mistake> mistakes;
    const MailboxMap map = MailboxMap::parse("@contoso.com a@contoso.com\n", mistakes);
    BOOST_TEST(map.find("bob@fabrikam.com", "bob").empty());
    BOOST_TEST(map.find("", "").empty());
    BOOST_TEST(MailboxMap::parse("", mistakes).size() == 0U);
}

BOOST_AUTO_TEST_CASE(every_mistake_is_told_with_its_line) {
    std::vector<MailboxMap::Mistake> mistakes;
    const MailboxMap map = MailboxMap::parse(
        "a@contoso.com\n"
        "# fine\n"
        "nobody x@contoso.com\n"
        "b@contoso.com x@contoso.com y@contoso.com\n"
        "c@contoso.com x@contoso.com\n"
        "C@CONTOSO.COM y@contoso.com\n"
        "@ x@contoso.com\n"
        "sasl: x@contoso.com\n"
        "d@contoso.com 11111111-2222-3333-4444-55555555555\n"
        "e@contoso.com \"x y\"@contoso.com\n"
        "@b\xc3\xbc"
        "cher.example x@contoso.com\n"
        "sasl:a\x1b[1m x@contoso.com\n",
        mistakes);
    BOOST_TEST(map.size() == 1U);
    std::vector<std::size_t> lines;
    for (const auto& mistake : mistakes) {
        lines.push_back(mistake.line);
    }
    const std::vector<std::size_t> expected{1, 3, 4, 6, 7, 8, 9, 10, 11, 12};
    BOOST_TEST(lines == expected, boost::test_tools::per_element());
    BOOST_TEST(mistakes.back().text.find('\x1b') == std::string::npos);
    BOOST_TEST(mistakes[3].text == "\"c@contoso.com\" stands here twice");
    BOOST_TEST(map.find("c@contoso.com", "") == "x@contoso.com");
}

struct NameRow {
    const char* text;
    bool good;
};
std::ostream& operator<<(std::ostream& out, const NameRow& row) { return out << row.text; }

constexpr NameRow kNames[] = {
    {"alice@contoso.com", true},
    {"a+b=c/d?e#f@contoso.com", true},
    {"11111111-2222-3333-4444-55555555555A", true},
    {"11111111-2222-3333-4444-55555555555G", false},
    {"11111111x2222-3333-4444-555555555555", false},
    {"", false},
    {"alice", false},
    {"@contoso.com", false},
    {"alice@", false},
    {"alice@.contoso.com", false},
    {"alice@contoso.com.", false},
    {"a@b@contoso.com", false},
    {"a b@contoso.com", false},
    {"a;b@contoso.com", false},
    {"a,b@contoso.com", false},
    {"\"a\"@contoso.com", false},
    {"a@[192.0.2.1]", false},
    {"a@contoso.com\r\nX: y", false},
    {"b\xc3\xbc@contoso.com", false},
    {"a@b\xc3\xbc.example", false},
};

BOOST_DATA_TEST_CASE(a_mailbox_is_safe_in_url_header_and_log, boost::unit_test::data::make(kNames),
                     row) {
    BOOST_TEST(is_mailbox_name(row.text) == row.good);
}

BOOST_AUTO_TEST_CASE(a_mailbox_has_an_end) {
    BOOST_TEST(is_mailbox_name(std::string(64, 'a') + "@contoso.com"));
    BOOST_TEST(!is_mailbox_name(std::string(65, 'a') + "@contoso.com"));
    BOOST_TEST(!is_mailbox_name("a@" + std::string(320, 'b')));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace postbearer::milter
