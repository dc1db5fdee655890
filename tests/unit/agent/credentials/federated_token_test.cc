// SPDX-License-Identifier: Apache-2.0
#include "token-agent/credentials/federated_token.hh"

#include <sys/stat.h>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <string>

#include "common/base64.hh"
#include "tests/support/temp_dir.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;

std::string jwt_of(const std::string& payload) {
    return "eyJhbGciOiJSUzI1NiJ9." + std::string(view(base64url_encode(payload))) + ".S3ntinel";
}

struct Room {
    test::TempDir dir;
    std::string path = (dir.path() / "token").string();

    void write(const std::string& text) const { std::ofstream(path) << text; }
    [[nodiscard]] std::string error() const {
        const auto token = read_federated_token(path);
        BOOST_REQUIRE(!token.has_value());
        BOOST_TEST(token.error().context.find("S3ntinel") == std::string::npos);
        BOOST_TEST(token.error().context.find(path + " ") == 0U);
        return token.error().context.substr(path.size() + 1);
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(federated_token_test, Room)

BOOST_AUTO_TEST_CASE(the_file_is_read_anew_each_time) {
    for (const char* payload : {"{\"iss\":\"a\"}", "{\"iss\":\"b\"}"}) {
        write(" " + jwt_of(payload) + "\r\n");
        const auto token = read_federated_token(path);
        BOOST_REQUIRE(token.has_value());
        BOOST_TEST(token->reveal() == jwt_of(payload));
    }
}

BOOST_AUTO_TEST_CASE(a_symbolic_link_leads_to_it) {  // as Kubernetes makes them
    write(jwt_of("{}"));
    const std::string link = (dir.path() / "link").string();
    std::filesystem::create_symlink("token", link);
    BOOST_TEST(read_federated_token(link).has_value());
}

BOOST_AUTO_TEST_CASE(what_cannot_be_used) {
    BOOST_TEST(error() == "cannot be opened: No such file or directory");
    write(jwt_of("{}"));
    BOOST_REQUIRE(::chmod(path.c_str(), 0666) == 0);
    BOOST_TEST(error() == "can be written by every local user: chmod o-w " + path);
    BOOST_REQUIRE(::chmod(path.c_str(), 0644) == 0);
    BOOST_TEST(read_federated_token(path).has_value());
    for (const char* text : {"", "S3ntinel", "a.b", "a..c", "a.b.", "a.b.c.d", "a.b b.c"}) {
        write(text);
        BOOST_TEST(error() == "holds no JWT");
    }
    write("a.b." + std::string(kMaxFederatedTokenBytes - 4, 'c'));
    BOOST_TEST(read_federated_token(path).has_value());
    write("a.b." + std::string(kMaxFederatedTokenBytes - 3, 'c'));
    BOOST_TEST(error() == "is larger than 64 KiB");
    std::filesystem::remove(path);
    BOOST_REQUIRE(::mkfifo(path.c_str(), 0600) == 0);  // and nobody writes
    BOOST_TEST(error() == "is not a regular file");
}

struct ClaimsRow {
    const char* name;
    std::string payload;
    std::string text;
};
std::ostream& operator<<(std::ostream& out, const ClaimsRow& row) { return out << row.name; }
const ClaimsRow kClaims[] = {
    {"Kubernetes",
     R"({"aud":["api://AzureADTokenExchange"],"iss":"https://k8s.example/","sub":"system:serviceaccount:mail:relay"})",
     "iss 'https://k8s.example/', sub 'system:serviceaccount:mail:relay', aud "
     "'api://AzureADTokenExchange'"},
    {"audience as a string", R"({"aud":"x","iss":"i","sub":"s"})", "iss 'i', sub 's', aud 'x'"},
    {"nothing in it", "{}", "iss '', sub '', aud ''"},
    {"control characters", R"({"aud":"a\nb","iss":"\u001b[2J","sub":7})",
     "iss '?[2J', sub '', aud 'a?b'"},
    {"long ones", R"({"aud":"x","iss":")" + std::string(500, 'i') + R"(","sub":"s"})",
     "iss '" + std::string(70, 'i') + "', sub 's', aud 'x'"},
    {"no JSON", "S3ntinel", ""},
};
BOOST_DATA_TEST_CASE(claims_are_shown_in_print, boost::unit_test::data::make(kClaims), row) {
    BOOST_TEST(presented_claims(jwt_of(row.payload)) == row.text);
}

BOOST_AUTO_TEST_SUITE_END()
