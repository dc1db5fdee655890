// SPDX-License-Identifier: Apache-2.0
#include "milter/envelope/mailbox_name.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>

namespace {

using namespace postbearer::milter;

struct Row {
    const char* name;
    std::string mailbox;
    bool good;
    std::string encoded;
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }

const Row kRows[] = {
    {"plain", "svc@contoso.com", true, "svc%40contoso.com"},
    {"slash and question mark (E7e)", "a/b?c@contoso.com", true, "a%2Fb%3Fc%40contoso.com"},
    {"path out of the user", "../../me@contoso.com", true, "..%2F..%2Fme%40contoso.com"},
    {"percent", "a%2f@contoso.com", true, "a%252f%40contoso.com"},
    {"plus and tilde", "a+b~c@contoso.com", true, "a%2Bb~c%40contoso.com"},
    {"UTF-8", "j\xC3\xB6rg@contoso.com", false, ""},
    {"GUID", "0f8FAD5b-d9cb-469f-a165-70867728950e", true, "0f8FAD5b-d9cb-469f-a165-70867728950e"},
    {"short GUID", "0f8fad5b-d9cb-469f-a165-70867728950", false, ""},
    {"GUID with a stranger", "0f8fad5b-d9cb-469f-a165-70867728950g", false, ""},
    {"me", "me", false, ""},
    {"empty", "", false, ""},
    {"no local part", "@contoso.com", false, ""},
    {"no domain", "svc@", false, ""},
    {"dot at the end", "svc@contoso.com.", false, ""},
    {"two dots", "svc@contoso..com", false, ""},
    {"two addresses", "a@contoso.com,b@contoso.com", false, ""},
    {"two at signs", "a@b@contoso.com", false, ""},
    {"brackets", "<svc@contoso.com>", false, ""},
    {"quoted", "\"a b\"@contoso.com", false, ""},
    {"blank", "a b@contoso.com", false, ""},
    {"line break", "svc@contoso.com\r\nX: y", false, ""},
    {"NUL", std::string("svc@contoso.com\0x", 17), false, ""},
    {"path in the domain", "svc@contoso.com/messages", false, ""},
    {"literal", "svc@[127.0.0.1]", false, ""},
    {"bad UTF-8", "j\xF6rg@contoso.com", false, ""},
    {"long local part", std::string(65, 'a') + "@contoso.com", false, ""},
    {"too long", std::string(320, 'a') + "@contoso.com", false, ""},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(mailbox_name_test)

BOOST_DATA_TEST_CASE(a_name_in_a_url, boost::unit_test::data::make(kRows), row) {
    BOOST_TEST(is_mailbox_name(row.mailbox) == row.good);
    if (row.good) {
        BOOST_TEST(percent_encoded(row.mailbox) == row.encoded);
    }
}

BOOST_AUTO_TEST_SUITE_END()
