// SPDX-License-Identifier: Apache-2.0
#include "token-agent/form.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string_view>
#include <utility>

namespace {

using namespace postbearer;
using namespace postbearer::agent;

struct Row {
    const char* name;
    std::string_view value;
    std::string_view encoded;
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }
constexpr Row kRows[] = {
    {"letters, digits, marks stay", "aZ09-._", "aZ09-._"},
    {"a secret with + & = % keeps its meaning (1.10 defect 5)", "a+b&c=d%e", "a%2Bb%26c%3Dd%25e"},
    {"blank is not a plus", "a b", "a%20b"},
    {"tilde and star, where the rules differ", "~*", "%7E%2A"},
    {"scope URL", "https://outlook.office365.com/.default",
     "https%3A%2F%2Foutlook.office365.com%2F.default"},
    {"UTF-8", "\xC3\xA9", "%C3%A9"},
    {"NUL and high bytes", std::string_view("\0\xFF", 2), "%00%FF"},
    {"line breaks", "\r\n", "%0D%0A"},
    {"empty", "", ""},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(form_test)

BOOST_DATA_TEST_CASE(a_value_is_encoded, boost::unit_test::data::make(kRows), row) {
    WipedBytes out;
    append_form_encoded(out, row.value);
    BOOST_TEST(view(out) == row.encoded);
}

BOOST_AUTO_TEST_CASE(fields_are_joined_and_empty_ones_left_out) {
    FormBody form;
    form.add("grant_type", "x").add_if("client_secret", "").add_if("scope", "a b");
    BOOST_TEST(std::move(form).finish().reveal() == "grant_type=x&scope=a%20b");
}

BOOST_AUTO_TEST_SUITE_END()
