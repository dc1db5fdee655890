// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/redirect_request.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>

using namespace postbearer::cli;

namespace {

const ExpectedRedirect kExpected{"localhost:4321", "/callback", "s1"};

std::string request(const std::string& line, const std::string& fields) {
    return line + "\r\n" + fields + "\r\n";
}

struct Row {
    const char* name;
    std::string head;
    int status;
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }

const std::string kLine = "GET /callback?code=abc&state=s1 HTTP/1.1";
const std::string kHost = "Host: localhost:4321\r\n";

const Row kRows[] = {
    {"the redirect", request(kLine, kHost), 200},
    {"field names and host in any case", request(kLine, "hOSt:LocalHost:4321\r\n"), 200},
    {"other fields are left alone", request(kLine, "Accept: */*\r\n" + kHost + "Cookie: a=b\r\n"),
     200},
    {"HTTP/1.0 with a Host", request("GET /callback?code=a&state=s1 HTTP/1.0", kHost), 200},
    {"an error redirect", request("GET /callback?error=access_denied&state=s1 HTTP/1.1", kHost),
     200},
    {"another name for this host (DNS rebinding)", request(kLine, "Host: evil.example:4321\r\n"),
     421},
    {"the address instead of the name", request(kLine, "Host: 127.0.0.1:4321\r\n"), 421},
    {"another port", request(kLine, "Host: localhost:4322\r\n"), 421},
    {"no port", request(kLine, "Host: localhost\r\n"), 421},
    {"a Host that only begins well", request(kLine, "Host: localhost:4321.evil.example\r\n"), 421},
    {"no Host", request(kLine, "Accept: */*\r\n"), 400},
    {"two Hosts", request(kLine, kHost + kHost), 400},
    {"POST", request("POST /callback?code=abc&state=s1 HTTP/1.1", kHost), 405},
    {"HEAD", request("HEAD /callback?code=abc&state=s1 HTTP/1.1", kHost), 405},
    {"get in lower case", request("get /callback?code=abc&state=s1 HTTP/1.1", kHost), 405},
    {"favicon", request("GET /favicon.ico HTTP/1.1", kHost), 404},
    {"the path in another case", request("GET /Callback?code=a&state=s1 HTTP/1.1", kHost), 404},
    {"a longer path", request("GET /callback/?code=a&state=s1 HTTP/1.1", kHost), 404},
    {"absolute form", request("GET http://localhost:4321/callback?code=a&state=s1 HTTP/1.1", kHost),
     404},
    {"no query", request("GET /callback HTTP/1.1", kHost), 400},
    {"an empty query", request("GET /callback? HTTP/1.1", kHost), 400},
    {"another state", request("GET /callback?code=abc&state=s2 HTTP/1.1", kHost), 400},
    {"no state", request("GET /callback?code=abc HTTP/1.1", kHost), 400},
    {"the state twice", request("GET /callback?code=a&state=s1&state=s1 HTTP/1.1", kHost), 400},
    {"a body", request(kLine, kHost + "Content-Length: 3\r\n"), 400},
    {"a chunked body", request(kLine, kHost + "Transfer-Encoding: chunked\r\n"), 400},
    {"an empty body", request(kLine, kHost + "Content-Length: 0\r\n"), 200},
    {"HTTP/2 preface", request("PRI * HTTP/2.0", ""), 400},
    {"HTTP/3", request("GET /callback?code=a&state=s1 HTTP/3.0", kHost), 505},
    {"no version", request("GET /callback?code=a&state=s1", kHost), 400},
    {"a blank before the colon", request(kLine, "Host : localhost:4321\r\n"), 400},
    {"a folded field", request(kLine, "X: a\r\n b\r\n" + kHost), 400},
    {"a field without a colon", request(kLine, "Nonsense\r\n" + kHost), 400},
    {"a control character in the target",
     request("GET /callback?code=\x01&state=s1 HTTP/1.1", kHost), 400},
    {"nothing", "\r\n\r\n", 400},
    {"TLS", "\x16\x03\x01\x02\x00\x01\r\n\r\n", 400},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(redirect_request_test)

BOOST_DATA_TEST_CASE(verdicts, boost::unit_test::data::make(kRows), row) {
    const RequestVerdict verdict = judge_request(row.head, kExpected);
    BOOST_TEST(verdict.status == row.status);
    BOOST_TEST(verdict.query.empty() == (row.status != 200));
}

BOOST_AUTO_TEST_CASE(the_query_is_handed_on_as_it_came) {
    const std::string head = request("GET /callback?code=a%2Fb&state=s1&iss=x HTTP/1.1", kHost);
    BOOST_TEST(judge_request(head, kExpected).query == "code=a%2Fb&state=s1&iss=x");
}

BOOST_AUTO_TEST_CASE(a_head_is_whole_with_its_empty_line) {
    BOOST_TEST(!request_head_length("GET / HTTP/1.1\r\nHost: a\r\n"));
    BOOST_TEST(!request_head_length("GET / HTTP/1.1\n\n"));
    BOOST_TEST(request_head_length("GET / HTTP/1.1\r\n\r\nrest").value() == 18U);
}

BOOST_AUTO_TEST_CASE(redirect_uris_that_can_be_served) {
    const auto free = parse_redirect_uri("http://localhost");
    BOOST_REQUIRE(free);
    BOOST_TEST(free->port == 0);
    BOOST_TEST(free->with_port(4321) == "http://localhost:4321");
    const auto fixed = parse_redirect_uri("http://127.0.0.1:8400/auth/callback");
    BOOST_REQUIRE(fixed);
    BOOST_TEST(fixed->port == 8400);
    BOOST_TEST(fixed->with_port(8400) == "http://127.0.0.1:8400/auth/callback");
}

BOOST_AUTO_TEST_CASE(redirect_uris_that_cannot) {
    for (const char* const uri :
         {"", "https://localhost", "http://localhost.evil.example", "http://example.net/",
          "http://[::1]:80/", "http://localhost:0", "http://localhost:99999", "http://localhost:x",
          "http://localhost/?a=b", "http://localhost/#f", "http://user@localhost/",
          "urn:ietf:wg:oauth:2.0:oob", "http://localhost/a b",
          "https://login.microsoftonline.com/common/oauth2/nativeclient"}) {
        const auto refused = parse_redirect_uri(uri);
        BOOST_REQUIRE_MESSAGE(!refused, uri);
        BOOST_TEST(refused.error().context.find("a login by browser needs") != std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(what_to_expect_comes_from_the_addresses) {
    const RedirectUri uri{"localhost", 0, ""};
    const auto expected =
        expect_redirect(uri, 4321, "https://login.example/authorize?client_id=a&state=xyz#f");
    BOOST_REQUIRE(expected);
    BOOST_TEST(expected->authority == "localhost:4321");
    BOOST_TEST(expected->path == "/");
    BOOST_TEST(expected->state == "xyz");
    BOOST_TEST(expect_redirect(uri, 80, "https://x/?state=s")->authority == "localhost");
}

BOOST_AUTO_TEST_CASE(without_a_state_nothing_is_expected) {
    const RedirectUri uri{"localhost", 0, ""};
    for (const char* const url : {"", "https://x/", "https://x/?state=",
                                  "https://x/?state=a&state=b", "https://x/#state=a"}) {
        BOOST_TEST(!expect_redirect(uri, 4321, url), url);
    }
}

BOOST_AUTO_TEST_CASE(an_empty_state_is_nobodys) {
    ExpectedRedirect expected = kExpected;
    expected.state.clear();
    for (const char* const query : {"code=abc", "code=abc&state=", "code=abc&state=s1"}) {
        const std::string head =
            request("GET /callback?" + std::string(query) + " HTTP/1.1", kHost);
        BOOST_TEST(judge_request(head, expected).status == 400, query);
    }
}

BOOST_AUTO_TEST_SUITE_END()
