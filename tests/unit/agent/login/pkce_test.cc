// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/pkce.hh"

#include <boost/test/unit_test.hpp>
#include <set>
#include <string>

using namespace postbearer;
using namespace postbearer::agent;

BOOST_AUTO_TEST_SUITE(pkce_test)

// RFC 7636 appendix B.
BOOST_AUTO_TEST_CASE(the_challenge_of_the_rfc) {
    BOOST_TEST(challenge_of(Secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")) ==
               "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

BOOST_AUTO_TEST_CASE(base64url_is_unpadded_and_safe_in_urls) {
    BOOST_TEST(view(base64url("\xfb\xff\xbf")) == "-_-_");
    BOOST_TEST(view(base64url("a")) == "YQ");
    BOOST_TEST(view(base64url("")) == "");
}

BOOST_AUTO_TEST_CASE(random_texts_differ_and_are_long_enough) {
    std::set<std::string> seen;
    for (int i = 0; i < 100; ++i) {
        const Secret text = random_text(kVerifierBytes);
        BOOST_TEST(text.size() == 43U);  // RFC 7636 section 4.1: 43 to 128
        BOOST_TEST(text.reveal().find_first_not_of(
                       "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") ==
                   std::string_view::npos);
        seen.emplace(text.reveal());
    }
    BOOST_TEST(seen.size() == 100U);
    static_assert(kStateBytes * 8 >= 128);
}

BOOST_AUTO_TEST_CASE(secrets_are_compared_whole) {
    BOOST_TEST(equal_secrets("abc", "abc"));
    BOOST_TEST(!equal_secrets("abc", "abd"));
    BOOST_TEST(!equal_secrets("abc", "abcd"));
    BOOST_TEST(!equal_secrets("", "a"));
}

BOOST_AUTO_TEST_SUITE_END()
