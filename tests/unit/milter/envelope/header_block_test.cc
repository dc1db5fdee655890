// SPDX-License-Identifier: Apache-2.0
#include "milter/envelope/header_block.hh"

#include <boost/test/unit_test.hpp>
#include <string>

namespace {

using namespace postbearer::milter;

BOOST_AUTO_TEST_SUITE(header_block_test)

BOOST_AUTO_TEST_CASE(fields_are_spans_of_the_text) {
    const std::string tidy = tidy_section("A: b\r\n c\r\nD:\r\n\tE: f \r\nG:\r\n\r\nbody");
    const std::vector<HeaderField> fields = split_fields(tidy);
    BOOST_REQUIRE(fields.size() == 3U);
    BOOST_TEST(fields[0].raw == "A: b\r\n c\r\n");
    BOOST_TEST(fields[0].name == "A");
    BOOST_TEST(fields[0].value == " b\r\n c");
    BOOST_TEST(fields[1].raw == "D:\r\n\tE: f \r\n");
    BOOST_TEST(fields[1].value == "\r\n\tE: f ");
    BOOST_TEST(fields[2].raw == "G:\r\n");
    BOOST_TEST(fields[2].value.empty());
    BOOST_TEST(fields[0].is("a"));
    BOOST_TEST(!fields[0].is("aa"));
}

BOOST_AUTO_TEST_CASE(a_tidy_section_stays_as_it_is) {
    const std::string tidy =
        tidy_section(" x\r\nFrom b Sat 1:2\r\nA : b\r\n \t\r\n c\r\n:\r\nd\r\n e");
    BOOST_TEST(tidy == "A: b\r\n c\r\n");
    BOOST_TEST(tidy_section(tidy) == tidy);
}

BOOST_AUTO_TEST_CASE(sections_of_unix_lines_can_be_read) {
    BOOST_TEST(tidy_section("A: b\n c\nD: e\n\nbody") == "A: b\r\n c\r\nD: e\r\n");
    BOOST_TEST(split_fields("").empty());
}

BOOST_AUTO_TEST_CASE(unfolding_keeps_inner_blanks) {
    BOOST_TEST(unfolded(" \r\n a\r\n\tb \n c \r\n") == "a\tb  c");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
