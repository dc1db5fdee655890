// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/sasl_xoauth2/peer_file.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>

using namespace postbearer::cli;

namespace {

struct Row {
    const char* name;
    std::string text;
    std::uint32_t line;
    std::uint32_t column;
    const char* says;
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }

const Row kMistakes[] = {
    // The commonest one (sasl-xoauth2 issue 70): the plugin only says "reader error".
    {"a comma is missing", "{\n  \"client_id\": \"a\"\n  \"client_secret\": \"hush-hush\"\n}\n", 3,
     3, "a comma is missing"},
    {"a comma too many at the front", "{\n,\"client_id\": \"a\"}", 2, 1, "name in double quotes"},
    {"a colon is missing", "{\n\"client_id\" \"hush-hush\"}", 2, 13, "a colon is missing"},
    {"no quotes", "{\"client_secret\": hush-hush}", 1, 19, "no JSON from here on"},
    {"single quotes", "{'client_id': 'a'}", 1, 2, "name in double quotes"},
    {"cut off", "{\"client_id\": \"a\",", 1, 19, "name in double quotes"},
    {"empty", "", 1, 1, "no JSON"},
    {"no object", "[1]", 1, 1, "no JSON object"},
    {"a number that is none", "{\"client_secret\": 1hush}", 1, 0, "a comma is missing"},
    {"an object in place of a text", "{\n\"client_id\": {}}", 2, 14, "client_id is no text"},
    {"a number as a secret", "{\"client_secret\": 12345678}", 1, 19, "client_secret is no text"},
    {"a line end in a value", "{\"client_id\": \"a\\nb\"}", 1, 15, "client_id holds control"},
};

std::string deep(std::size_t depth) { return std::string(depth, '['); }

}  // namespace

BOOST_AUTO_TEST_SUITE(peer_file_test)

BOOST_AUTO_TEST_CASE(configuration_and_token_file_have_the_same_keys) {
    const auto file = parse_peer_file(R"({
  "access_token": "at", "expiry": "1700000000", "refresh_token": "rt-1",
  "user": "relay@contoso.com", "client_id": "id", "client_secret": "s3",
  "token_endpoint": "https://x.example/token", "proxy": "http://p:1",
  "ca_bundle_file": "/ca.pem", "ca_certs_dir": "/certs", "scope": "sc",
  "use_client_credentials": "Yes", "manage_token_externally": "no",
  "log_full_trace_on_failure": "yes", "refresh_window": 30, "unknown": [1]
})");
    BOOST_REQUIRE(file.has_value());
    BOOST_TEST(file->refresh_token->value.reveal() == "rt-1");
    BOOST_TEST(file->user->value == "relay@contoso.com");
    BOOST_TEST(file->client_id->value == "id");
    BOOST_TEST(file->client_id->at.line == 3U);
    BOOST_TEST(file->client_secret->value.reveal() == "s3");
    BOOST_TEST(file->token_endpoint->value == "https://x.example/token");
    BOOST_TEST(file->proxy->value == "http://p:1");
    BOOST_TEST(file->ca_bundle_file->value == "/ca.pem");
    BOOST_TEST(file->ca_certs_dir->value == "/certs");
    BOOST_TEST(file->scope->value == "sc");
    BOOST_TEST(file->use_client_credentials.value());
    BOOST_TEST(!file->manage_token_externally.value());
}

BOOST_AUTO_TEST_CASE(absent_and_null_are_alike) {
    const auto file = parse_peer_file(R"({"client_id": null})");
    BOOST_REQUIRE(file.has_value());
    BOOST_TEST(!file->client_id.has_value());
    BOOST_TEST(!file->refresh_token.has_value());
}

BOOST_AUTO_TEST_CASE(a_blank_secret_is_an_empty_one) {
    const auto file = parse_peer_file(R"({"client_secret": " "})");
    BOOST_REQUIRE(file.has_value());
    BOOST_TEST(file->client_secret->value.empty());
}

BOOST_AUTO_TEST_CASE(comments_are_read_over_as_there) {
    BOOST_TEST(parse_peer_file("// mine\n{\"client_id\": \"a\" /* b */}").has_value());
}

BOOST_DATA_TEST_CASE(mistakes_are_placed_and_quote_nothing, boost::unit_test::data::make(kMistakes),
                     row) {
    const auto file = parse_peer_file(row.text);
    BOOST_REQUIRE(!file.has_value());
    const PeerMistake& mistake = file.error();
    BOOST_TEST(mistake.at.line == row.line);
    BOOST_TEST((row.column == 0 || mistake.at.column == row.column), mistake.at.column);
    BOOST_TEST(mistake.text.find(row.says) != std::string::npos, mistake.text);
    BOOST_TEST(mistake.text.find("hush") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(depth_and_size_have_limits) {
    BOOST_TEST(!parse_peer_file(deep(100'000)).has_value());
    BOOST_TEST(!parse_peer_file(std::string(kMaxPeerFileBytes + 1, ' ')).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
