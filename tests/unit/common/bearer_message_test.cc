// SPDX-License-Identifier: Apache-2.0
#include "common/bearer_message.hh"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <string>

using postbearer::BearerServer;
using postbearer::Errc;
using postbearer::oauthbearer_message;
using postbearer::Secret;
using postbearer::xoauth2_message;

namespace {

std::string text_of(const postbearer::Result<postbearer::WipedBytes>& message) {
    return message ? std::string(postbearer::view(*message)) : "error: " + message.error().context;
}

struct BadRow {
    const char* name;
    std::string user;
    std::string token;
};
std::ostream& operator<<(std::ostream& out, const BadRow& row) { return out << row.name; }
const BadRow kBadRows[] = {
    {"empty user", "", "t"},
    {"separator in the user",
     "a\x01"
     "auth=Bearer x",
     "t"},
    {"line end in the user", "a\r\nb", "t"},
    {"NUL in the user", std::string("a\0b", 3), "t"},
    {"C1 control in the user", "a\xc2\x85", "t"},
    {"broken UTF-8 in the user", "a\xff", "t"},
    {"empty token", "a", ""},
    {"separator in the token", "a", "t\x01"},
    {"line end in the token", "a", "t\n"},
    {"blank in the token", "a", "t t"},
    {"8-bit token", "a", "t\xc3\xa4"},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(bearer_message_test)

BOOST_AUTO_TEST_CASE(xoauth2_is_google_and_microsofts) {
    BOOST_TEST(text_of(xoauth2_message("someuser@example.com", Secret("ya29.vF9dft4qmTc2Nvb3RlckBh"
                                                                      "dHRhdmlzdGEuY29tCg"))) ==
               "user=someuser@example.com\x01"
               "auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\x01\x01");
    BOOST_TEST(text_of(xoauth2_message("a=b,c", Secret("t"))) ==
               "user=a=b,c\x01"
               "auth=Bearer t\x01\x01");
}

// RFC 7628 section 4.1.
BOOST_AUTO_TEST_CASE(oauthbearer_is_the_rfcs_example) {
    BOOST_TEST(text_of(oauthbearer_message("user@example.com", {"server.example.com", 143},
                                           Secret("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="))) ==
               "n,a=user@example.com,\x01host=server.example.com\x01port=143\x01"
               "auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01");
}

BOOST_AUTO_TEST_CASE(unknown_host_and_port_are_left_out) {
    BOOST_TEST(text_of(oauthbearer_message("u", {}, Secret("t"))) ==
               "n,a=u,\x01"
               "auth=Bearer t\x01\x01");
    BOOST_TEST(text_of(oauthbearer_message("u", {"h", std::nullopt}, Secret("t"))) ==
               "n,a=u,\x01host=h\x01"
               "auth=Bearer t\x01\x01");
}

BOOST_AUTO_TEST_CASE(comma_and_equals_are_escaped_in_oauthbearer) {
    BOOST_TEST(text_of(oauthbearer_message("a=b,c=", {}, Secret("t"))) ==
               "n,a=a=3Db=2Cc=3D,\x01"
               "auth=Bearer t\x01\x01");
}

BOOST_AUTO_TEST_CASE(names_beyond_ascii_stay_utf8) {
    BOOST_TEST(text_of(xoauth2_message("j\xc3\xb6rg", Secret("t"))) ==
               "user=j\xc3\xb6rg\x01"
               "auth=Bearer t\x01\x01");
}

BOOST_AUTO_TEST_CASE(host_with_control_characters_is_refused) {
    BOOST_TEST(!oauthbearer_message("u", {"h\x01x", std::nullopt}, Secret("t")));
}

BOOST_DATA_TEST_CASE(nothing_may_break_out_of_its_field, boost::unit_test::data::make(kBadRows),
                     row) {
    const auto xoauth2 = xoauth2_message(row.user, Secret(row.token));
    const auto oauthbearer = oauthbearer_message(row.user, {"h", 25}, Secret(row.token));
    BOOST_REQUIRE(!xoauth2);
    BOOST_REQUIRE(!oauthbearer);
    BOOST_TEST((xoauth2.error().code == Errc::Protocol));
    BOOST_TEST((oauthbearer.error().code == Errc::Protocol));
}

BOOST_AUTO_TEST_SUITE_END()
