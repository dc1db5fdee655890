// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/device_response.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace std::chrono_literals;

std::string with(const std::string& more) {
    return R"({"device_code":"d","user_code":"U","verification_uri":"https://idp.example/d")" +
           more + "}";
}

struct Row {
    const char* name;
    std::string body;
    const char* words;
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }
const Row kRefused[] = {
    {"HTML", "<html>", "not valid JSON"},
    {"no device_code", R"({"user_code":"U","verification_uri":"https://a.example"})",
     "device_code"},
    {"device_code too long",
     R"({"device_code":")" + std::string(9000, 'x') +
         R"(","user_code":"U","verification_uri":"https://a.example"})",
     "device_code"},
    {"no user_code", R"({"device_code":"d","verification_uri":"https://a.example"})", "user_code"},
    {"a user_code that writes on the terminal",
     R"({"device_code":"d","user_code":"\u001b[2J","verification_uri":"https://a.example"})",
     "user_code"},
    {"a user_code that is read another way than it is written",
     R"({"device_code":"d","user_code":"AB\u202eCD","verification_uri":"https://a.example"})",
     "user_code"},
    {"a user_code of look-alikes",
     R"({"device_code":"d","user_code":"\u0410BC","verification_uri":"https://a.example"})",
     "user_code"},
    {"a user_code with a blank",
     R"({"device_code":"d","user_code":"A B","verification_uri":"https://a.example"})",
     "user_code"},
    {"a host of look-alikes",
     R"({"device_code":"d","user_code":"U","verification_uri":"https://\u0430.example"})",
     "verification_uri"},
    {"user_code too long",
     R"({"device_code":"d","user_code":")" + std::string(65, 'x') +
         R"(","verification_uri":"https://a.example"})",
     "user_code"},
    {"no uri", R"({"device_code":"d","user_code":"U"})", "verification_uri"},
    {"http", R"({"device_code":"d","user_code":"U","verification_uri":"http://a.example"})",
     "verification_uri"},
    {"javascript", R"({"device_code":"d","user_code":"U","verification_uri":"javascript:x"})",
     "verification_uri"},
    {"a blank in it", R"({"device_code":"d","user_code":"U","verification_uri":"https://a b"})",
     "verification_uri"},
    {"a user in it",
     R"({"device_code":"d","user_code":"U","verification_uri":"https://microsoft.com@evil.example"})",
     "verification_uri"},
    {"life zero", with(R"(,"expires_in":0)"), "expires_in"},
    {"life negative", with(R"(,"expires_in":-5)"), "expires_in"},
    {"life in words", with(R"(,"expires_in":"soon")"), "expires_in"},
};
BOOST_DATA_TEST_CASE(device_response_refused, boost::unit_test::data::make(kRefused), row) {
    const auto grant = read_device_response(row.body, false);
    BOOST_REQUIRE(!grant.has_value());
    BOOST_TEST((grant.error().code == Errc::Protocol));
    BOOST_TEST(grant.error().context.find(row.words) != std::string::npos);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(device_response_test)

BOOST_AUTO_TEST_CASE(numbers_may_be_missing_quoted_or_absurd) {
    const auto plain = read_device_response(with(""), false);
    BOOST_REQUIRE(plain.has_value());
    BOOST_TEST(plain->expires_in.count() == 900);
    BOOST_TEST(plain->interval.count() == 5);
    const auto quoted = read_device_response(with(R"(,"expires_in":"600","interval":"7")"), false);
    BOOST_TEST(quoted->expires_in.count() == 600);
    BOOST_TEST(quoted->interval.count() == 7);
    const auto absurd =
        read_device_response(with(R"(,"expires_in":1e300,"interval":99999999999)"), false);
    BOOST_TEST((absurd->expires_in == kMaxDeviceLife));
    BOOST_TEST((absurd->interval == kMaxInterval));
    const auto nonsense = read_device_response(with(R"(,"interval":-1)"), false);
    BOOST_TEST(nonsense->interval.count() == 5);
}

BOOST_AUTO_TEST_CASE(google_names_it_differently) {
    const auto grant = read_device_response(
        R"({"device_code":"d","user_code":"U","verification_url":"https://www.google.com/device"})",
        false);
    BOOST_REQUIRE(grant.has_value());
    BOOST_TEST(grant->verification_uri == "https://www.google.com/device");
}

BOOST_AUTO_TEST_CASE(what_only_helps_is_left_out_where_it_is_unfit) {
    const auto good = read_device_response(
        with(R"(,"verification_uri_complete":"https://idp.example/d?u=U","message":"Go there")"),
        false);
    BOOST_TEST(good->verification_uri_complete == "https://idp.example/d?u=U");
    BOOST_TEST(good->message == "Go there");
    const auto bad = read_device_response(
        with(R"(,"verification_uri_complete":"http://evil.example","message":"a\nb")"), false);
    BOOST_REQUIRE(bad.has_value());
    BOOST_TEST(bad->verification_uri_complete == "");
    BOOST_TEST(bad->message == "");
}

BOOST_AUTO_TEST_CASE(http_on_loopback_where_it_is_allowed) {
    const std::string body =
        R"({"device_code":"d","user_code":"U","verification_uri":"http://127.0.0.1:81/d"})";
    BOOST_TEST(read_device_response(body, true).has_value());
    BOOST_TEST(!read_device_response(body, false).has_value());
}

BOOST_AUTO_TEST_CASE(a_message_that_turns_lines_around_is_left_out) {
    const auto grant = read_device_response(
        R"({"device_code":"d","user_code":"U","verification_uri":"https://a.example",)"
        R"("message":"go to \u202emoc.live"})",
        false);
    BOOST_REQUIRE(grant.has_value());
    BOOST_TEST(grant->message == "");
}

BOOST_AUTO_TEST_SUITE_END()
