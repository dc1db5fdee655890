// SPDX-License-Identifier: Apache-2.0
#include "common/text.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>
#include <vector>

namespace {

using namespace postbearer;
using namespace std::string_view_literals;

BOOST_AUTO_TEST_SUITE(text_test)

struct Utf8Row {
    const char* name;
    std::string_view text;
    bool plain;
    const char* printed;
};
std::ostream& operator<<(std::ostream& out, const Utf8Row& row) { return out << row.name; }
constexpr Utf8Row kUtf8[] = {
    {"nothing", "", true, ""},
    {"ASCII", " ~", true, " ~"},
    {"two bytes, least", "\xc2\xa0", true, "\xc2\xa0"},
    {"three bytes", "\xe2\x82\xac", true, "\xe2\x82\xac"},
    {"four bytes, most", "\xf4\x8f\xbf\xbf", true, "\xf4\x8f\xbf\xbf"},
    {"NUL", "\0"sv, false, "?"},
    {"line end", "a\nb", false, "a?b"},
    {"DEL", "\x7f", false, "?"},
    {"C1, first and last", "\xc2\x80\xc2\x9f", false, "??"},
    {"overlong slash", "\xc0\xaf", false, "??"},
    {"overlong, three bytes", "\xe0\x80\xaf", false, "???"},
    {"overlong, four bytes", "\xf0\x80\x80\xaf", false, "????"},
    {"surrogate", "\xed\xa0\x80", false, "???"},
    {"last before the surrogates", "\xed\x9f\xbf", true, "\xed\x9f\xbf"},
    {"above U+10FFFF", "\xf4\x90\x80\x80", false, "????"},
    {"five-byte lead", "\xf8\x88\x80\x80\x80", false, "?????"},
    {"lone continuation", "\x80", false, "?"},
    {"cut at the end", "a\xe2\x82", false, "a??"},
    {"cut before ASCII", "\xe2\x82z", false, "??z"},
    {"FF and FE", "\xff\xfe", false, "??"},
};
BOOST_DATA_TEST_CASE(utf8, boost::unit_test::data::make(kUtf8), row) {
    BOOST_TEST(is_plain_utf8(row.text) == row.plain);
    BOOST_TEST(printable(row.text, 100) == row.printed);
    BOOST_TEST(is_plain_utf8(printable(row.text, 100)));
}

// What turns a line around or is not seen could pass one name off as another.
BOOST_AUTO_TEST_CASE(what_fools_the_eye_is_not_printable) {
    for (const std::string_view hidden :
         {"\xe2\x80\x8b", "\xe2\x80\x8f", "\xe2\x80\xaa", "\xe2\x80\xae", "\xe2\x81\xa6",
          "\xe2\x81\xa9", "\xef\xbb\xbf"}) {
        const std::string text = "a" + std::string(hidden) + "b";
        BOOST_TEST(printable(text, 100) == "a?b");
        BOOST_TEST(is_plain_utf8(text));  // well-formed all the same
    }
    for (const std::string_view seen : {"\xe2\x80\x8a", "\xe2\x80\x90", "\xe2\x80\xa9",
                                        "\xe2\x80\xaf", "\xe2\x81\xaa", "\xef\xbb\xbe"}) {
        BOOST_TEST(printable(seen, 100) == seen);
    }
}

BOOST_AUTO_TEST_CASE(a_cut_falls_between_characters) {
    const std::string_view text = "a\xe2\x82\xac\xf0\x9f\x93\xa7z";
    const std::vector<std::size_t> sizes{0, 1, 1, 1, 4, 4, 4, 4, 8, 9, 9};
    for (std::size_t limit = 0; limit < sizes.size(); ++limit) {
        const std::string cut = printable(text, limit);
        BOOST_TEST(cut.size() == sizes[limit]);
        BOOST_TEST(text.starts_with(cut));
    }
}

BOOST_AUTO_TEST_CASE(lower_case_is_ascii_only) {
    BOOST_TEST(ascii_lower("@[AZ]`az{\xc3\x84") == "@[az]`az{\xc3\x84");
}

struct TrimRow {
    const char* name;
    std::string_view text;
    std::string_view trimmed;
};
std::ostream& operator<<(std::ostream& out, const TrimRow& row) { return out << row.name; }
constexpr TrimRow kTrims[] = {{"nothing", "", ""},
                              {"blanks only", " \t\r\n", ""},
                              {"both ends", "\t a b\r\n", "a b"},
                              {"none", "a", "a"}};
BOOST_DATA_TEST_CASE(trims, boost::unit_test::data::make(kTrims), row) {
    BOOST_TEST(trimmed(row.text) == row.trimmed);
}

struct NumberRow {
    const char* name;
    std::string_view text;
    std::optional<std::uint64_t> value;
};
std::ostream& operator<<(std::ostream& out, const NumberRow& row) { return out << row.name; }
constexpr NumberRow kNumbers[] = {
    {"zero", "0", 0},
    {"leading zeros", "007", 7},
    {"most", "18446744073709551615", 18446744073709551615ULL},
    {"one more", "18446744073709551616", {}},
    {"very long", "99999999999999999999999999999999999999", {}},
    {"nothing", "", {}},
    {"plus", "+1", {}},
    {"minus", "-1", {}},
    {"blank before", " 1", {}},
    {"blank behind", "1 ", {}},
    {"fraction", "1.0", {}},
    {"hexadecimal", "0x1", {}},
    {"NUL behind", "1\0"sv, {}},
};
BOOST_DATA_TEST_CASE(decimal, boost::unit_test::data::make(kNumbers), row) {
    BOOST_TEST((parse_decimal(row.text) == row.value));
}

struct DistanceRow {
    const char* name;
    std::string_view a;
    std::string_view b;
    std::size_t distance;
};
std::ostream& operator<<(std::ostream& out, const DistanceRow& row) { return out << row.name; }
constexpr DistanceRow kDistances[] = {
    {"same", "tenant", "tenant", 0},       {"both empty", "", "", 0},
    {"one empty", "", "abc", 3},           {"substitution", "cat", "cut", 1},
    {"insertion", "tenant", "tennant", 1}, {"swap costs two", "ab", "ba", 2},
    {"textbook", "kitten", "sitting", 3},
};
BOOST_DATA_TEST_CASE(distances, boost::unit_test::data::make(kDistances), row) {
    BOOST_TEST(edit_distance(row.a, row.b) == row.distance);
    BOOST_TEST(edit_distance(row.b, row.a) == row.distance);
}

BOOST_AUTO_TEST_CASE(did_you_mean) {
    const std::vector<std::string_view> words{"tenant", "client_id", "client_secret"};
    BOOST_TEST(closest_word("tennant", words) == "tenant");
    BOOST_TEST(closest_word("client_sceret", words) == "client_secret");
    BOOST_TEST(closest_word("proxy", words) == "");
    BOOST_TEST(closest_word("", words) == "");
    BOOST_TEST(closest_word("x", std::vector<std::string_view>{}) == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
