// SPDX-License-Identifier: Apache-2.0
#include "milter/envelope/address.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>

namespace {

using namespace postbearer::milter;

BOOST_AUTO_TEST_SUITE(address_test)

/// Each address as "spec", "~spec" if its text is not clean, "g:spec" in a group.
std::string shown(const AddressList& list) {
    std::string out;
    for (const ParsedAddress& address : list.addresses) {
        out += out.empty() ? "" : " ";
        out += address.in_group ? "g:" : "";
        out += address.clean ? "" : "~";
        out += address.addr_spec;
    }
    return out + (list.has_group ? " group" : "") + (list.doubtful ? " doubtful" : "");
}

struct ListRow {
    const char* name;
    const char* value;
    const char* shown;
};
std::ostream& operator<<(std::ostream& out, const ListRow& row) { return out << row.name; }
constexpr ListRow kLists[] = {
    {"nothing", "", ""},
    {"blanks", " \r\n\t ", ""},
    {"one", " b@x", "b@x"},
    {"two", "b@x,c@x", "b@x c@x"},
    {"angle address", "<b@x>", "b@x"},
    {"name", "Bob <b@x>", "b@x"},
    {"name without a blank", "\"Bob\"<b@x>", "b@x"},
    {"quoted comma", "\"a, b\" <b@x>, c@x", "b@x c@x"},
    {"escaped quote", "\"a\\\", b\" <b@x>", "b@x"},
    {"quoted parenthesis", "\"a (b\" <b@x>", "b@x"},
    {"fold in a quoted string", "\"a\r\n b\" <b@x>", "b@x"},
    {"LF folds too", "a\n b <b@x>,\n\tc@x", "b@x c@x"},
    {"comments nest", "b@x (a (b, c) d), c@x", "b@x c@x"},
    {"comments anywhere outside", "(a) Bob (b) <b@x> (c)", "b@x"},
    {"escape in a comment", "b@x (\\)), c@x", "~b@x c@x"},
    {"quoted local part", "\"a b\"@x", "\"a b\"@x"},
    {"literal", "b@[1.2.3.4]", "b@[1.2.3.4]"},
    {"period in a name", "J. R. Bear <b@x>", "b@x"},
    {"other periods in a name", ".J <b@x>, J .R <c@x>, J..R <d@x>, \"J..R\" <e@x>",
     "~b@x ~c@x ~d@x e@x"},
    {"group", "G: b@x, Bob <c@x>;", "g:b@x g:c@x group"},
    {"group among others", "a@x, G: b@x;, c@x", "a@x g:b@x c@x group"},
    {"empty group", "G:;", " group"},
    {"empty group with a comment", "\"G h\": (nobody) ; (x)", " group"},
    {"two groups", "G:;, H: b@x;", "g:b@x group"},
    {"folded address", "<b\r\n @x>", "~b@x"},
    {"blank in the angles", "< b@x >", "~b@x"},
    {"comment in the address", "b(c)@x", "~b@x"},
    {"'@' in a name", "b@x <c@x>", "~c@x"},
    {"'@' in a quoted name", "\"b@x\" <c@x>", "c@x"},
    {"not UTF-8", "B\xe4r <b@x>", "~b@x"},
    {"control within quotes", "\"\x01\" <b@x>", "~b@x doubtful"},
    {"empty element", "b@x,,c@x", "b@x c@x doubtful"},
    {"comma first", ",b@x", "b@x doubtful"},
    {"comma last", "b@x,", "b@x doubtful"},
    {"comma alone", ",", " doubtful"},
    {"comment alone", "(b@x)", " doubtful"},
    {"comma in a group", "G: b@x,;", "g:b@x group doubtful"},
    {"comma alone in a group", "G:,;", " group doubtful"},
    {"nested group", "G: H: b@x;;", "g:b@x group doubtful"},
    {"group without name", ": b@x;", "g:b@x group doubtful"},
    {"address as group name", "a@x: b@x;", "a@x g:b@x group doubtful"},
    {"group without end", "G: b@x", "g:b@x group doubtful"},
    {"text after a group", "G: b@x; c@x", "g:b@x c@x group doubtful"},
    {"group after a group", "G: b@x; H: c@x;", "g:b@x g:c@x group doubtful"},
    {"angle after a group", "G:; <c@x>", "c@x group doubtful"},
    {"semicolon", "b@x; c@x", "b@x c@x doubtful"},
    {"no comma", "b@x c@x", "~b@x ~c@x doubtful"},
    {"route", "<@y,@z:b@x>", "~b@x doubtful"},
    {"open angle", "Bob <b@x, c@x", "~b@x ~c@x doubtful"},
    {"closing angle alone", "b@x>", "~b@x doubtful"},
    {"null address", "<>", " doubtful"},
    {"word alone", "bob", " doubtful"},
    {"two words", "bob bear", " doubtful"},
    {"obsolete local part", "a . b@x", "~b@x doubtful"},
    {"mixed local part", "\"a\".b@x", "~.b@x doubtful"},
    {"two dots", "a..b@x", "~a..b@x doubtful"},
    {"open quote", "\"Bob <b@x>", "~b@x doubtful"},
    {"open comment", "b@x (Bob, c@x", "~b@x c@x doubtful"},
    {"open literal", "b@[1.2.3.4, c@x", "c@x doubtful"},
    {"quotes after an open quote", "\"a\x01\", \"b\" <b@x>", "~b@x doubtful"},
    {"fold without a blank", "b@x,\r\nc@x", "b@x ~c@x doubtful"},
    {"bare CR", "b@x\rc", "~b@x doubtful"},
    {"encoded word as local part", "=?utf-8?q?b?=@x", "~=?utf-8?q?b?=@x doubtful"},
    {"quoted domain", "b@\"x\"", " doubtful"},
};
BOOST_DATA_TEST_CASE(lists, boost::unit_test::data::make(kLists), row) {
    BOOST_TEST(shown(parse_address_list(row.value)) == row.shown);
}

BOOST_AUTO_TEST_CASE(the_text_is_the_whole_mailbox) {
    const std::string value = " a@x,\r\n (one) \"B, b\"\r\n <b@x> (two) , c@x";
    const AddressList list = parse_address_list(value);
    BOOST_REQUIRE(list.addresses.size() == 3U);
    BOOST_TEST(list.addresses[0].text == "a@x");
    BOOST_TEST(list.addresses[1].text == "(one) \"B, b\"\r\n <b@x> (two)");
    BOOST_TEST(list.addresses[1].key == "b@x");
    BOOST_TEST(list.addresses[2].text == "c@x");
}

struct NameRow {
    const char* name;
    const char* value;
    bool at;
};
std::ostream& operator<<(std::ostream& out, const NameRow& row) { return out << row.name; }
constexpr NameRow kNames[] = {
    {"none", "Bob <b@x>", false},
    {"no name", "b@x", false},
    {"quoted", "\"b@x\" <b@x>", true},
    {"bare", "b@x <b@x>", true},
    {"comment", "b@x (b@x)", true},
    {"encoded", "=?utf-8?Q?b=40x?= <b@x>", true},
    {"encoded, none", "=?utf-8?Q?b=C3=A4r?= <b@x>", false},
    {"encoded, unknown", "=?x-unknown?Q?b?= <b@x>", true},
};
BOOST_DATA_TEST_CASE(at_in_name, boost::unit_test::data::make(kNames), row) {
    const AddressList list = parse_address_list(row.value);
    BOOST_REQUIRE(list.addresses.size() == 1U);
    BOOST_TEST(list.addresses[0].at_in_name == row.at);
}

BOOST_AUTO_TEST_CASE(hostile_lists_take_linear_time) {
    for (const char* mark : {"(", "\"", "[", "<", "a@x (", ",", "g:", ";", "\\"}) {
        std::string value;
        while (value.size() < 1'000'000) {
            value += mark;
        }
        BOOST_TEST(parse_address_list(value).doubtful);
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
