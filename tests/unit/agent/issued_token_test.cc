// SPDX-License-Identifier: Apache-2.0
#include "token-agent/issued_token.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(issued_token_test)

struct Row {
    const char* name;
    std::string_view token;
    const char* fingerprint;  // printf %s TOKEN | sha256sum | cut -c1-8
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }
constexpr Row kRows[] = {
    {"FIPS 180 example", "abc", "ba7816bf"},
    {"empty", "", "e3b0c442"},
    {"leading zeros stay", "286", "00328ce5"},
};
BOOST_DATA_TEST_CASE(fingerprint, boost::unit_test::data::make(kRows), row) {
    BOOST_TEST(fingerprint_of(Secret(row.token)) == row.fingerprint);
}

BOOST_AUTO_TEST_CASE(expiry_is_issue_and_life) {
    IssuedToken token;
    token.life = 3600s;
    token.issued_boot = BootTime(10s);
    BOOST_TEST((token.expires_boot() == BootTime(3610s)));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
