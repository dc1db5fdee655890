// SPDX-License-Identifier: Apache-2.0
#include "token-agent/hints.hh"

#include <boost/test/unit_test.hpp>
#include <set>
#include <string>

#include "common/text.hh"

using namespace postbearer;
using namespace postbearer::agent;

BOOST_AUTO_TEST_SUITE(hints_test)

BOOST_AUTO_TEST_CASE(every_row_parses_and_is_short) {
    const auto hints = all_hints();
    BOOST_TEST(hints.size() == hint_line_count());
    BOOST_TEST(hints.size() >= 80U);
    std::set<std::uint64_t> numbers;
    for (const Hint& hint : hints) {
        BOOST_TEST_CONTEXT("AADSTS" << hint.number) {
            BOOST_TEST(numbers.insert(hint.number).second);
            BOOST_TEST(hint.means.size() + hint.fix.size() <= 300U);
            BOOST_TEST(is_plain_utf8(hint.means));
            BOOST_TEST(is_plain_utf8(hint.fix));
            BOOST_TEST(hint.fix.back() != '.');
            const auto found = find_hint(hint.number);
            BOOST_REQUIRE(found.has_value());
            BOOST_TEST(found->fix == hint.fix);
        }
    }
}

BOOST_AUTO_TEST_CASE(every_code_of_the_research_is_there) {
    for (const std::uint64_t number :
         {7000215UL, 7000222UL, 700016UL, 7000229UL, 7000112UL, 70001UL,   700027UL, 700024UL,
          50012UL,   700030UL,  700025UL, 7000218UL, 700213UL,  7002138UL, 700211UL, 70021UL,
          90002UL,   900382UL,  90038UL,  900432UL,  50194UL,   9001023UL, 50020UL,  50034UL,
          51004UL,   50014UL,   50126UL,  50053UL,   50055UL,   50144UL,   50057UL,  50076UL,
          50079UL,   50074UL,   50072UL,  50078UL,   50158UL,   50105UL,   50173UL,  50132UL,
          50133UL,   54005UL,   70008UL,  700082UL,  700084UL,  70043UL,   70000UL,  53003UL,
          53000UL,   53001UL,   53002UL,  530034UL,  530035UL,  65001UL,   90094UL,  90095UL,
          65004UL,   65002UL,   500011UL, 650052UL,  650057UL,  650056UL,  65005UL,  70011UL,
          28002UL,   700022UL,  900144UL, 90014UL,   70016UL,   70018UL,   70019UL,  50011UL,
          70004UL,   900971UL,  50196UL,  90055UL,   90033UL,   90024UL,   90006UL,  80001UL,
          80002UL,   90012UL,   50033UL,  50087UL}) {
        BOOST_TEST(find_hint(number).has_value(), "AADSTS" << number);
    }
    BOOST_TEST(!find_hint(1).has_value());
    BOOST_TEST(!find_hint(0).has_value());
}

BOOST_AUTO_TEST_CASE(an_expired_secret_is_called_so) {
    const auto hint = find_hint(7000222);
    BOOST_REQUIRE(hint.has_value());
    BOOST_TEST(hint->means == "client secret expired");
    BOOST_TEST((hint->failure_class == protocol::FailureClass::NeedsAdmin));
    BOOST_TEST((hint->code == protocol::FailureCode::InvalidClient));
    BOOST_TEST(!hint->propagation);
}

BOOST_AUTO_TEST_CASE(codes_that_spread_slowly_are_marked) {
    for (const std::uint64_t number : {70021UL, 700213UL, 7000215UL}) {
        BOOST_TEST(find_hint(number)->propagation);
    }
}

BOOST_AUTO_TEST_SUITE_END()
