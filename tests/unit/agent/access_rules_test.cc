// SPDX-License-Identifier: Apache-2.0
#include "token-agent/access_rules.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>

namespace postbearer::agent {
namespace {

constexpr uid_t kPostfix = 101;
constexpr gid_t kMail = 8;
constexpr gid_t kUsers = 100;

AccessRule rule_for(std::optional<uid_t> uid, std::optional<gid_t> gid,
                    std::vector<std::string> accounts, std::array<bool, 4> resources) {
    AccessRule rule;
    rule.uid = uid;
    rule.gid = gid;
    rule.accounts = std::move(accounts);
    rule.resources = resources;
    return rule;
}

/// postfix: smtp for all; group mail: imap for one domain, tokens only; uid 7: ten addresses.
AgentConfig sample() {
    AgentConfig config;
    config.access.push_back(rule_for(kPostfix, {}, {"*"}, {true, false, false, false}));
    config.access.push_back(rule_for({}, kMail, {"@contoso.com"}, {false, true, false, false}));
    config.access.back().verbs = {true, false};
    std::vector<std::string> many;
    for (int i = 0; i < 10; ++i) {
        many.push_back("user" + std::to_string(i) + "@contoso.com");
    }
    many.emplace_back("@fabrikam.com");
    config.access.push_back(rule_for(7, {}, many, {true, false, false, true}));
    config.access.push_back(rule_for({}, {}, {"*"}, {true, true, true, true}));  // unknown user
    return config;
}

BOOST_AUTO_TEST_SUITE(access_rules_test)

struct Row {
    const char* name;
    uid_t uid;
    gid_t gid;
    Verb verb;
    Resource resource;
    const char* account;
    bool allowed;
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }
constexpr Row kRows[] = {
    {"user, resource and account fit", kPostfix, kUsers, Verb::Token, Resource::Smtp,
     "a@contoso.com", true},
    {"rejected is among the default verbs", kPostfix, kUsers, Verb::Rejected, Resource::Smtp,
     "a@contoso.com", true},
    {"other resource", kPostfix, kUsers, Verb::Token, Resource::Graph, "a@contoso.com", false},
    {"other user", 102, kUsers, Verb::Token, Resource::Smtp, "a@contoso.com", false},
    {"root needs a rule too", 0, 0, Verb::Token, Resource::Smtp, "a@contoso.com", false},
    {"group fits", 1000, kMail, Verb::Token, Resource::Imap, "A@Contoso.com", true},
    {"group, other domain", 1000, kMail, Verb::Token, Resource::Imap, "a@fabrikam.com", false},
    {"group, sub-domain", 1000, kMail, Verb::Token, Resource::Imap, "a@x.contoso.com", false},
    {"group, verb not given", 1000, kMail, Verb::Rejected, Resource::Imap, "a@contoso.com", false},
    {"rules do not mix", 1000, kMail, Verb::Token, Resource::Smtp, "a@contoso.com", false},
    {"rules are joined by or", kPostfix, kMail, Verb::Token, Resource::Imap, "a@contoso.com", true},
    {"long list, address", 7, kUsers, Verb::Token, Resource::Graph, "USER9@contoso.com", true},
    {"long list, domain", 7, kUsers, Verb::Token, Resource::Smtp, "x@fabrikam.com", true},
    {"long list, other address", 7, kUsers, Verb::Token, Resource::Smtp, "x@contoso.com", false},
    {"a pattern is no account", 7, kUsers, Verb::Token, Resource::Smtp, "@fabrikam.com", false},
    {"the star is no account", kPostfix, kUsers, Verb::Token, Resource::Smtp, "*", false},
    {"a uid is not a gid", 8, kUsers, Verb::Token, Resource::Imap, "a@contoso.com", false},
};
BOOST_DATA_TEST_CASE(only_a_fitting_rule_allows, boost::unit_test::data::make(kRows), row) {
    const AgentConfig config = sample();
    const AccessRules rules(config);
    const gid_t groups[] = {60'000, row.gid};
    BOOST_TEST(rules.allows(row.uid, groups, row.verb, row.resource, row.account) == row.allowed);
}

BOOST_AUTO_TEST_CASE(named_users_and_groups_are_known) {
    const AgentConfig config = sample();
    const AccessRules rules(config);
    const gid_t mail[] = {kMail};
    const gid_t users[] = {kUsers};
    BOOST_TEST(rules.knows_uid(kPostfix, users));
    BOOST_TEST(rules.knows_uid(1000, mail));
    BOOST_TEST(!rules.knows_uid(1000, users));
    BOOST_TEST(!rules.knows_uid(0, users));
}

BOOST_AUTO_TEST_CASE(no_rule_denies) {
    const AgentConfig config;
    const AccessRules rules(config);
    BOOST_TEST(!rules.allows(0, {}, Verb::Token, Resource::Smtp, "a@contoso.com"));
    BOOST_TEST(!rules.knows_uid(0, {}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace postbearer::agent
