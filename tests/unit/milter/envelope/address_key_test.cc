// SPDX-License-Identifier: Apache-2.0
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>

#include "milter/envelope/address.hh"
#include "milter/envelope/address_parts.hh"

namespace {

using namespace postbearer::milter;

BOOST_AUTO_TEST_SUITE(address_key_test)

struct KeyRow {
    const char* name;
    std::string address;
    const char* key;  // empty: none
};
std::ostream& operator<<(std::ostream& out, const KeyRow& row) { return out << row.name; }
const KeyRow kKeys[] = {
    {"plain", "b@x.example", "b@x.example"},
    {"lower case", "B.C+d@X.Example", "b.c+d@x.example"},
    {"one label", "b@localhost", "b@localhost"},
    {"all of atext", "!#$%&'*+-/=?^_`{|}~@x", "!#$%&'*+-/=?^_`{|}~@x"},
    {"underscore in the domain", "b@x_y.example", "b@x_y.example"},
    {"quotes without need", "\"b.c\"@x", "b.c@x"},
    {"escapes without need", "\"\\b\"@x", "b@x"},
    {"quotes with need", "\"B c\"@x", "\"b c\"@x"},
    {"escapes with need", "\"a\\\"\\\\\\b\"@x", "\"a\\\"\\\\b\"@x"},
    {"'@' in quotes", "\"a@b\"@x", "\"a@b\"@x"},
    {"dots in quotes", "\"a..b\"@x", "\"a..b\"@x"},
    {"literal", "b@[192.0.2.1]", "b@[192.0.2.1]"},
    {"literal, IPv6", "b@[IPv6:2001:DB8::1]", "b@[ipv6:2001:db8::1]"},
    {"U-label",
     "b@b\xc3\xbc"
     "cher.example",
     "b@xn--bcher-kva.example"},
    {"capital U-label",
     "b@B\xc3\x9c"
     "CHER.example",
     "b@xn--bcher-kva.example"},
    {"A-label in capitals", "b@XN--BCHER-KVA.example", "b@xn--bcher-kva.example"},
    {"symbol", "b@i\xe2\x9d\xa4.ws", "b@xn--i-7iq.ws"},
    {"sharp s",
     "b@stra\xc3\x9f"
     "e.example",
     "b@xn--strae-oqa.example"},
    {"full-width letters", "b@\xef\xbd\x98.example", "b@x.example"},
    {"domain that IDNA refuses", "b@\xef\xbc\x8cX.example", "b@\xef\xbc\x8cx.example"},
    {"local part beyond ASCII keeps its case", "\xc3\x84@x", "\xc3\x84@x"},
    {"nothing", "", ""},
    {"no '@'", "b", ""},
    {"no local part", "@x", ""},
    {"no domain", "b@", ""},
    {"two '@'", "a@b@x", ""},
    {"empty quotes", "\"\"@x", ""},
    {"quotes without end", "\"b@x", ""},
    {"escape at the end", "\"b\\", ""},
    {"text after quotes", "\"b\"c@x", ""},
    {"leading dot", ".b@x", ""},
    {"trailing dot", "b.@x", ""},
    {"two dots", "a..b@x", ""},
    {"blank", "a b@x", ""},
    {"angles", "<b@x>", ""},
    {"empty label", "b@x..y", ""},
    {"trailing dot of the domain", "b@x.", ""},
    {"odd byte in the domain", "b@x!y", ""},
    {"open literal", "b@[1.2.3.4", ""},
    {"empty literal", "b@[]", ""},
    {"blank in a literal", "b@[1 2]", ""},
    {"bad UTF-8", "b\xe4@x", ""},
    {"control", "\"b\x01\"@x", ""},
    {"line end", "b@x\r\n", ""},
    {"long label", "b@" + std::string(64, 'x'), ""},
    {"long domain",
     "b@" + std::string(63, 'x') + '.' + std::string(63, 'x') + '.' + std::string(63, 'x') + '.' +
         std::string(64, 'x'),
     ""},
    {"longest local part", std::string(kMaxAddressBytes, 'b') + "@x", ""},
};
BOOST_DATA_TEST_CASE(keys, boost::unit_test::data::make(kKeys), row) {
    BOOST_TEST(address_key(row.address).value_or("") == row.key);
}

BOOST_AUTO_TEST_CASE(a_key_is_its_own_key) {
    for (const KeyRow& row : kKeys) {
        if (*row.key != '\0') {
            BOOST_TEST(address_key(row.key).value_or("") == row.key);
        }
    }
}

BOOST_AUTO_TEST_CASE(some_domains_are_read_in_two_ways) {
    BOOST_TEST(reads_one_way("X.example"));
    BOOST_TEST(
        reads_one_way("b\xc3\xbc"
                      "cher.example"));
    BOOST_TEST(
        !reads_one_way("stra\xc3\x9f"
                       "e.example"));
    BOOST_TEST(
        !reads_one_way("b\xc3\x9c"
                       "cher.example"));
    BOOST_TEST(
        !reads_one_way("x\xe3\x80\x82"
                       "example"));
    BOOST_TEST(!reads_one_way("\xef\xbc\x8c"));
    BOOST_TEST(!reads_one_way("i\xe2\x9d\xa4.ws"));
    BOOST_TEST(reads_one_way("xn--i-7iq.ws"));
    BOOST_TEST(!reads_one_way("xn--.example"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
