// SPDX-License-Identifier: Apache-2.0
#include "milter/envelope/encoded_word.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>

namespace {

using namespace postbearer::milter;

BOOST_AUTO_TEST_SUITE(encoded_word_test)

struct WordRow {
    const char* name;
    const char* text;
    const char* ascii;  // nullptr: cannot be decoded
};
std::ostream& operator<<(std::ostream& out, const WordRow& row) { return out << row.name; }
constexpr WordRow kWords[] = {
    {"none", "Bob", ""},
    {"Q", "=?utf-8?Q?a_b=40=c3=A4?=", "a b@"},
    {"B", "=?UTF-8?b?YUBi?=", "a@b"},
    {"B without padding", "=?utf-8?B?YQ?=", "a"},
    {"two and text", "x =?utf-8?Q?a?= y =?us-ascii?Q?b?= z", "ab"},
    {"language", "=?iso-8859-1*en?Q?a?=", "a"},
    {"two bytes, second is '@'", "=?gb18030?Q?=81=40a?=", "a"},
    {"Shift_JIS", "=?Shift_JIS?Q?=83=40=40?=", "@"},
    {"half a character at the end", "=?big5?Q?a=81?=", "a"},
    {"ISO 2022, shifted", "=?iso-2022-jp?B?GyRCJUAbKEJA?=", "@"},
    {"ISO 2022, shift in and out", "=?iso-2022-kr?Q?=0E=40=0Fa?=", "a"},
    {"ISO 2022, escape at the end", "=?iso-2022-jp?Q?a=1B?=", "a"},
    {"unknown charset", "=?utf-7?Q?a?=", nullptr},
    {"unknown encoding", "=?utf-8?X?a?=", nullptr},
    {"half a byte", "=?utf-8?Q?a=4?=", nullptr},
    {"no hexadecimal digit", "=?utf-8?Q?=4g?=", nullptr},
    {"no base64", "=?utf-8?B?!?=", nullptr},
    {"no end", "=?utf-8?Q?a", nullptr},
    {"no text", "=?utf-8?Q", nullptr},
    {"only the start", "a =?", nullptr},
};
BOOST_DATA_TEST_CASE(words, boost::unit_test::data::make(kWords), row) {
    const auto ascii = ascii_of_encoded_words(row.text);
    BOOST_REQUIRE(ascii.has_value() == (row.ascii != nullptr));
    if (ascii) {
        BOOST_TEST(*ascii == row.ascii);
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
