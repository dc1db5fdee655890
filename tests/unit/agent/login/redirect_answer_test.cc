// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/redirect_answer.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>

namespace {

using namespace postbearer;
using namespace postbearer::agent;

constexpr const char* kRedirect = "http://localhost:4711/back";

struct Good {
    const char* name;
    const char* text;
    const char* code;
    const char* state;
};
std::ostream& operator<<(std::ostream& out, const Good& row) { return out << row.name; }
const Good kGood[] = {
    {"whole URL", "http://localhost:4711/back?code=a&state=s", "a", "s"},
    {"blanks around", "  http://localhost:4711/back?code=a&state=s \n", "a", "s"},
    {"path and query", "/back?code=a&state=s", "a", "s"},
    {"query", "?code=a&state=s", "a", "s"},
    {"parameters", "state=s&code=a", "a", "s"},
    {"encoded", "?code=1.A%2B%2f%3d&state=%41", "1.A+/=", "A"},
    {"plus", "?code=a+b&state=s", "a b", "s"},
    {"others beside", "?session_state=x&code=a&&x&state=s&=", "a", "s"},
    {"a fragment behind", "?code=a&state=s#_=_", "a", "s"},
    {"all in the fragment", "http://localhost:4711/back#code=a&state=s", "a", "s"},
    {"no state", "?code=a", "a", ""},
    {"a URL as a value", "?code=a&state=s&x=http://evil.example/", "a", "s"},
};
BOOST_DATA_TEST_CASE(redirect_answer_taken, boost::unit_test::data::make(kGood), row) {
    const auto answer = read_redirect(row.text, kRedirect);
    BOOST_REQUIRE(answer.has_value());
    BOOST_TEST(answer->code.reveal() == row.code);
    BOOST_TEST(answer->state.reveal() == row.state);
    BOOST_TEST(answer->error == "");
    BOOST_TEST(!answer->issuer.has_value());
}

struct Bad {
    const char* name;
    std::string text;
    const char* words;
};
std::ostream& operator<<(std::ostream& out, const Bad& row) { return out << row.name; }
const Bad kBad[] = {
    {"nothing", "", "no address"},
    {"blanks", "  \n", "no address"},
    {"two lines", "?code=a\n&state=s", "no address"},
    {"no UTF-8", "?code=\xff", "no address"},
    {"too long", "?code=" + std::string(kMaxRedirectAnswerBytes, 'a'), "too long"},
    {"code too long", "?state=s&code=" + std::string(9000, 'a'), "no usable code"},
    {"empty code", "?code=&state=s", "no usable code"},
    {"control in the code", "?code=%00&state=s", "no usable code"},
    {"newline in the code", "?code=a%0d%0a&state=s", "no usable code"},
    {"no code", "?state=s", "no code"},
    {"words", "hello", "no code"},
    {"only the address", kRedirect, "no code"},
    {"both", "?code=a&error=b&state=s", "both"},
    {"code twice", "?code=a&code=a", "code twice"},
    {"state twice", "?code=a&state=s&state=t", "state twice"},
    {"iss twice", "?code=a&iss=s&iss=t", "iss twice"},
    {"half an escape", "?code=a%2&state=s", "damaged"},
    {"no escape", "?code=%zz", "damaged"},
    {"escape at the end", "?code=a%", "damaged"},
    {"another port", "http://localhost:4712/back?code=a&state=s", "not the address"},
    {"another path", "http://localhost:4711/?code=a&state=s", "not the address"},
    {"another case of the path", "http://localhost:4711/Back?code=a&state=s", "not the address"},
    {"https", "https://localhost:4711/back?code=a&state=s", "not the address"},
    {"a user before it", "http://localhost:4711@evil.example/back?code=a&state=s",
     "not the address"},
    {"foreign", "https://evil.example/?code=a&state=s", "not the address"},
    {"foreign fragment", "https://evil.example/#code=a&state=s", "not the address"},
    {"many parameters",
     [] {
         std::string text = "?";
         for (int i = 0; i < 100; ++i) {
             text += "x&";
         }
         return text + "code=a&state=s";
     }(),
     "too many"},
};
BOOST_DATA_TEST_CASE(redirect_answer_refused, boost::unit_test::data::make(kBad), row) {
    const auto answer = read_redirect(row.text, kRedirect);
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST((answer.error().code == Errc::Protocol));
    BOOST_TEST(answer.error().context.find(row.words) != std::string::npos);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(redirect_answer_test)

BOOST_AUTO_TEST_CASE(errors_are_made_printable) {
    const auto answer = read_redirect(
        "?error=access_denied&error_description=no%0Away&state=s&iss=https%3A%2F%2Fa", kRedirect);
    BOOST_REQUIRE(answer.has_value());
    BOOST_TEST(answer->code.empty());
    BOOST_TEST(answer->error == "access_denied");
    BOOST_TEST(answer->error_description == "no?way");
    BOOST_TEST(answer->issuer.value_or("") == "https://a");
    BOOST_TEST(read_redirect("?error=&state=s", kRedirect)->error == "unknown");
}

BOOST_AUTO_TEST_CASE(a_root_path_may_be_written_or_not) {
    BOOST_TEST(read_redirect("http://localhost:1/?code=a", "http://localhost:1").has_value());
    BOOST_TEST(read_redirect("http://localhost:1?code=a", "http://localhost:1/").has_value());
}

BOOST_AUTO_TEST_SUITE_END()
