// SPDX-License-Identifier: Apache-2.0
#include "token-agent/credentials/expiry.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>

#include "tests/support/client_secret.hh"
#include "tests/support/test_keys.hh"
#include "token-agent/credentials/signing_key.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace std::chrono_literals;
using std::chrono::days;

constexpr std::chrono::sys_days kEnd = std::chrono::year(2027) / 5 / 1;

struct Room {
    Room() {
        config.providers.resize(1);
        config.providers[0].name = "contoso";
        test::set_client_secret(config.providers[0], "S3ntinel");
        config.providers[0].credentials[0].secret_expires = kEnd;
    }
    AgentConfig config;
    ExpiryWatch watch;
};

struct Row {
    std::chrono::seconds left;
    int threshold;  // -1: not told
    std::int64_t days_left;
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.left.count(); }
constexpr Row kRows[] = {
    {days(30) + 1s, -1, 0},
    {days(30), 30, 30},
    {days(14) + 1s, 30, 14},
    {days(14), 14, 14},
    {days(7), 7, 7},
    {days(1), 1, 1},
    {1s, 1, 0},
    {0s, 0, 0},
    {-days(3), 0, -3},
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(expiry_test, Room)

BOOST_DATA_TEST_CASE(thresholds, boost::unit_test::data::make(kRows), row) {
    const auto found = ending_credentials(config, WallTime(kEnd) - row.left);
    BOOST_REQUIRE(found.size() == (row.threshold < 0 ? 0U : 1U));
    if (!found.empty()) {
        BOOST_TEST(found[0].threshold == row.threshold);
        BOOST_TEST(found[0].days_left == row.days_left);
        BOOST_TEST(found[0].provider == "contoso");
        BOOST_TEST(found[0].what == "client_secret");
    }
}

BOOST_AUTO_TEST_CASE(certificates_and_secrets_by_name) {
    test::CertificateWish wish;
    wish.not_after = kEnd;
    const std::string pem = test::pem_of(test::make_certificate(test::rsa_key(), wish));
    const std::string key = test::pem_of(test::rsa_key());
    ClientCredential credential;
    credential.kind = CredentialKind::Certificate;
    credential.key = load_certificate_key({pem, key, ""}).value();
    config.providers[0].credentials.push_back(std::move(credential));
    config.providers.push_back(config.providers[0]);
    config.providers[1].credentials[0].secret_expires.reset();
    const auto found = ending_credentials(config, WallTime(kEnd) - days(10));
    BOOST_REQUIRE(found.size() == 3U);
    BOOST_TEST(found[0].what == "client_secret");
    BOOST_TEST(found[1].what.find("certificate CN=postbearer (thumbprint ") == 0U);
    BOOST_TEST(found[2].what == found[1].what);
}

BOOST_AUTO_TEST_CASE(each_threshold_is_told_once) {
    const auto told = [this](std::chrono::seconds left) {
        const auto due = watch.due(config, WallTime(kEnd) - left);
        return due.empty() ? -1 : due.front().threshold;
    };
    BOOST_TEST(told(days(40)) == -1);
    BOOST_TEST(told(days(29)) == 30);
    BOOST_TEST(told(days(28)) == -1);
    BOOST_TEST(told(days(14)) == 14);
    BOOST_TEST(told(days(5)) == 7);
    BOOST_TEST(told(days(1)) == 1);
    BOOST_TEST(told(1s) == -1);
    BOOST_TEST(told(0s) == 0);
    BOOST_TEST(told(-days(2)) == -1);
    config.providers[0].credentials[0].secret_expires = kEnd + days(20);  // renewed
    BOOST_TEST(told(days(10)) == 30);
    BOOST_TEST(told(days(10)) == -1);
}

BOOST_AUTO_TEST_SUITE_END()
