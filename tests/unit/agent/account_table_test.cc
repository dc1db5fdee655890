// SPDX-License-Identifier: Apache-2.0
#include "token-agent/account_table.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>
#include <string_view>

namespace postbearer::agent {
namespace {

AgentConfig config_of(std::initializer_list<std::string_view> matches) {
    AgentConfig config;
    for (const std::string_view match : matches) {
        AccountRule rule;
        rule.match = match;
        config.accounts.push_back(rule);
    }
    return config;
}

std::string found(const AccountTable& table, std::string_view account) {
    const AccountRule* rule = table.find(account);
    return rule == nullptr ? "nothing" : rule->match;
}

BOOST_AUTO_TEST_SUITE(account_table_test)

struct Row {
    const char* name;
    const char* account;
    const char* match;
    const char* match_without_star;
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }
constexpr Row kRows[] = {
    {"exact address before its domain", "alice@contoso.com", "alice@contoso.com",
     "alice@contoso.com"},
    {"domain before the star", "bob@contoso.com", "@contoso.com", "@contoso.com"},
    {"letter case does not matter", "ALICE@Contoso.COM", "alice@contoso.com", "alice@contoso.com"},
    {"sub-domain is another domain", "bob@mail.contoso.com", "*", "nothing"},
    {"longer domain with the same end", "bob@xcontoso.com", "*", "nothing"},
    {"other domain", "bob@fabrikam.com", "*", "nothing"},
    {"only the last @ counts", "bob@contoso.com@fabrikam.com", "*", "nothing"},
    {"quoted @ in the local part", "\"a@b\"@contoso.com", "@contoso.com", "@contoso.com"},
    {"name without domain", "bob", "*", "nothing"},
    {"the domain pattern is no account", "@contoso.com", "nothing", "nothing"},
    {"the star is no account", "*", "nothing", "nothing"},
    {"nothing is no account", "", "nothing", "nothing"},
    {"non-ASCII letters keep their case", "\xc3\x84lice@contoso.com", "@contoso.com",
     "@contoso.com"},
};
BOOST_DATA_TEST_CASE(most_specific_rule_wins, boost::unit_test::data::make(kRows), row) {
    const AgentConfig with_star = config_of({"*", "@contoso.com", "alice@contoso.com"});
    const AgentConfig without = config_of({"@contoso.com", "alice@contoso.com"});
    BOOST_TEST(found(AccountTable(with_star), row.account) == row.match);
    BOOST_TEST(found(AccountTable(without), row.account) == row.match_without_star);
}

BOOST_AUTO_TEST_CASE(overlong_account_still_finds_its_domain) {
    const AgentConfig config = config_of({"@contoso.com"});
    BOOST_TEST(found(AccountTable(config), std::string(4'000, 'A') + "@CONTOSO.com") ==
               "@contoso.com");
}

BOOST_AUTO_TEST_CASE(hundred_thousand_accounts) {
    AgentConfig config;
    for (int i = 0; i < 100'000; ++i) {
        AccountRule rule;
        rule.match = "user" + std::to_string(i) + "@contoso.com";
        config.accounts.push_back(rule);
    }
    const AccountTable table(config);
    BOOST_TEST(found(table, "User99999@contoso.com") == "user99999@contoso.com");
    BOOST_TEST(found(table, "user100000@contoso.com") == "nothing");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace postbearer::agent
