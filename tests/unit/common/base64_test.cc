// SPDX-License-Identifier: Apache-2.0
#include "common/base64.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>

namespace {

using namespace postbearer;
using namespace std::string_view_literals;

BOOST_AUTO_TEST_SUITE(base64_test)

struct Row {
    const char* name;
    std::string_view plain;
    std::string_view encoded;
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }
constexpr Row kVectors[] = {
    // RFC 4648 section 10, and the edges of the alphabet
    {"nothing", "", ""},
    {"f", "f", "Zg=="},
    {"fo", "fo", "Zm8="},
    {"foo", "foo", "Zm9v"},
    {"foob", "foob", "Zm9vYg=="},
    {"fooba", "fooba", "Zm9vYmE="},
    {"foobar", "foobar", "Zm9vYmFy"},
    {"zeros", "\0\0\0"sv, "AAAA"},
    {"last two of the alphabet", "\xfb\xff\xbf", "+/+/"},
};
BOOST_DATA_TEST_CASE(both_ways, boost::unit_test::data::make(kVectors), row) {
    BOOST_TEST(view(base64_encode(row.plain)) == row.encoded);
    const auto decoded = base64_decode(row.encoded);
    BOOST_REQUIRE(decoded.has_value());
    BOOST_TEST(view(*decoded) == row.plain);
    // Padding is optional.
    const std::string_view bare = row.encoded.substr(0, row.encoded.find('='));
    const auto unpadded = base64_decode(bare);
    BOOST_REQUIRE(unpadded.has_value());
    BOOST_TEST(view(*unpadded) == row.plain);
}

BOOST_AUTO_TEST_CASE(all_bytes_of_all_lengths) {
    std::string plain;
    for (int i = 0; i < 300; ++i) {
        plain += static_cast<char>(i);
        const WipedBytes encoded = base64_encode(plain);
        BOOST_TEST(encoded.size() == (plain.size() + 2) / 3 * 4);
        const auto decoded = base64_decode(view(encoded));
        BOOST_TEST((decoded && view(*decoded) == plain));
    }
}

struct UrlRow {
    const char* name;
    std::string_view plain;
    std::string_view encoded;
};
std::ostream& operator<<(std::ostream& out, const UrlRow& row) { return out << row.name; }
constexpr UrlRow kUrlVectors[] = {
    {"nothing", "", ""},
    {"f", "f", "Zg"},
    {"fo", "fo", "Zm8"},
    {"foo", "foo", "Zm9v"},
    {"last two of the alphabet", "\xfb\xff\xbf", "-_-_"},
    // RFC 7515 appendix C
    {"the RFC's example", "\x03\xec\xff\xe0\xc1", "A-z_4ME"},
};
BOOST_DATA_TEST_CASE(url_safe_and_without_padding, boost::unit_test::data::make(kUrlVectors), row) {
    BOOST_TEST(view(base64url_encode(row.plain)) == row.encoded);
    const auto decoded = base64_decode(row.encoded);
    BOOST_REQUIRE(decoded.has_value());
    BOOST_TEST(view(*decoded) == row.plain);
}

BOOST_AUTO_TEST_CASE(the_url_safe_alphabet_is_read_too) {
    const auto decoded = base64_decode("-_-_");
    BOOST_REQUIRE(decoded.has_value());
    BOOST_TEST(view(*decoded) == "\xfb\xff\xbf");
}

struct BadRow {
    const char* name;
    std::string_view text;
};
std::ostream& operator<<(std::ostream& out, const BadRow& row) { return out << row.name; }
constexpr BadRow kBad[] = {
    {"one character", "Z"},
    {"five characters", "Zm9vY"},
    {"blank", "Zm 9v"},
    {"line end", "Zm9v\n"},
    {"NUL", "Zm9\0"sv},
    {"above ASCII", "Zm9\xc3"},
    {"padding inside", "Zg==Zg=="},
    {"three paddings", "Zg==="},
    {"padding alone", "==="},
    {"star", "Zm9*"},
};
BOOST_DATA_TEST_CASE(nothing_else_is_allowed, boost::unit_test::data::make(kBad), row) {
    BOOST_TEST(!base64_decode(row.text).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
