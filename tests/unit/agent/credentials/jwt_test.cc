// SPDX-License-Identifier: Apache-2.0
#include "token-agent/credentials/jwt.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>

#include "tests/support/test_keys.hh"
#include "token-agent/credentials/client_assertion.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;

SharedKey key_of(EVP_PKEY* key) {
    const std::string pem = test::pem_of(test::make_certificate(key));
    const std::string secret = test::pem_of(key);
    return load_certificate_key({pem, secret, ""}).value();
}

struct AlgorithmRow {
    JwtAlgorithm algorithm;
    const char* name;
};
std::ostream& operator<<(std::ostream& out, const AlgorithmRow& row) { return out << row.name; }
constexpr AlgorithmRow kAlgorithms[] = {
    {JwtAlgorithm::Ps256, "PS256"}, {JwtAlgorithm::Rs256, "RS256"}, {JwtAlgorithm::Es256, "ES256"}};

}  // namespace

BOOST_AUTO_TEST_SUITE(jwt_test)

BOOST_DATA_TEST_CASE(signatures_hold, boost::unit_test::data::make(kAlgorithms), row) {
    EVP_PKEY* const native =
        row.algorithm == JwtAlgorithm::Es256 ? test::ec_key() : test::rsa_key();
    const SharedKey key = key_of(native);
    for (int i = 0; i < 20; ++i) {  // numbers of an EC signature may be short
        const auto token = sign_jwt(*key, row.algorithm, {{"kid", "k"}},
                                    {{"aud", "https://x/\"y\"\\\n\x01"}, {"n", -5}});
        BOOST_REQUIRE(token.has_value());
        const auto parts = test::split_jwt(token->reveal());
        BOOST_TEST(parts.header ==
                   std::string(R"({"alg":")") + row.name + R"(","typ":"JWT","kid":"k"})");
        BOOST_TEST(parts.payload == R"({"aud":"https://x/\"y\"\\\u000a\u0001","n":-5})");
        BOOST_TEST(test::is_signed_by(parts, native, row.name));
        auto other = parts;
        other.signed_text.back() ^= 1;
        BOOST_TEST(!test::is_signed_by(other, native, row.name));
    }
}

BOOST_AUTO_TEST_CASE(an_algorithm_of_another_kind_of_key) {
    BOOST_TEST(!sign_jwt(*key_of(test::rsa_key()), JwtAlgorithm::Es256, {}, {}).has_value());
    BOOST_TEST(!sign_jwt(*key_of(test::ec_key()), JwtAlgorithm::Ps256, {}, {}).has_value());
}

BOOST_AUTO_TEST_CASE(the_assertion_is_what_entra_wants) {
    const SharedKey key = key_of(test::rsa_key());
    const WallTime now{std::chrono::seconds(1'800'000'000)};
    const auto make = [&](JwtAlgorithm algorithm) {
        return test::split_jwt(
            make_client_assertion(*key, algorithm, "the-id", "https://login.example/t/token", now)
                .value()
                .reveal());
    };
    const auto first = make(first_algorithm(*key));
    BOOST_TEST(test::is_signed_by(first, test::rsa_key(), "PS256"));
    BOOST_TEST(first.header == R"({"alg":"PS256","typ":"JWT","x5t#S256":")" +
                                   key->certificate()->x5t_s256 + R"("})");
    constexpr std::string_view kBegin =
        R"({"aud":"https://login.example/t/token","iss":"the-id","sub":"the-id","jti":")";
    BOOST_TEST(first.payload.substr(0, kBegin.size()) == kBegin);
    BOOST_TEST(first.payload.substr(kBegin.size() + 36) ==
               R"(","nbf":1799999940,"iat":1799999940,"exp":1800000600})");
    BOOST_TEST(make(JwtAlgorithm::Ps256).payload != first.payload);  // its jti is its own

    const auto second = make(JwtAlgorithm::Rs256);
    BOOST_TEST(test::is_signed_by(second, test::rsa_key(), "RS256"));
    BOOST_TEST(second.header.find(R"("x5t":")" + key->certificate()->x5t + '"') !=
               std::string::npos);
    BOOST_TEST((first_algorithm(*key_of(test::ec_key())) == JwtAlgorithm::Es256));
}

BOOST_AUTO_TEST_SUITE_END()
