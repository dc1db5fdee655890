// SPDX-License-Identifier: Apache-2.0
// Who may send by Graph: submission, routes, allow_from. The policies are in router_policy_test.cc.
#include "milter/routing/router.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include "tests/unit/milter/routing/router_row.hh"

namespace postbearer::milter {
namespace {

BOOST_AUTO_TEST_SUITE(router_test)

constexpr const char* kAllow =
    "[[route]]\nname = \"r\"\nallow_from = [\"@contoso.com\", \"x@fabrikam.com\"]\n";
constexpr const char* kByRecipient =
    "[[route]]\nname = \"partner\"\nrecipient = [\"@example.org\"]\n";
constexpr const char* kAllowByRecipient =
    "[[route]]\nname = \"partner\"\nrecipient = [\"@example.org\"]\n"
    "allow_from = [\"@fabrikam.com\"]\n";
constexpr const char* kReject =
    "[[route]]\nname = \"no\"\naction = \"reject\"\nreason = \"not from here\"\n"
    "sender = [\"@contoso.com\"]\n[[route]]\nname = \"rest\"\n";
constexpr const char* kRelayFirst =
    "[[route]]\nname = \"out\"\naction = \"relay\"\nclient = [\"198.51.100.0/24\"]\n"
    "[[route]]\nname = \"rest\"\n";
constexpr const char* kDiscard = "[[route]]\nname = \"rehearsal\"\naction = \"discard\"\n";
constexpr const char* kFromRoute = "[[route]]\nname = \"r\"\nfrom = [\"@contoso.com\"]\n";
constexpr const char* kSaslRoute = "[[route]]\nname = \"r\"\nsasl_user = [\"Alice\"]\n";
constexpr const char* kClientRoute = "[[route]]\nname = \"r\"\nclient = [\"198.51.100.0/24\"]\n";
constexpr const char* kTwoKeys =
    "[[route]]\nname = \"r\"\nsender = [\"@contoso.com\"]\nsasl_user = [\"bob\"]\n";

const RouterRow kSubmission[] = {
    {.name = "signed in",
     .action = Action::Graph,
     .reason = "route",
     .mailbox = "alice@contoso.com"},
    {.name = "sendmail(1)",
     .action = Action::Graph,
     .reason = "route",
     .via = Submission::Local,
     .transports = "",
     .sasl_user = "",
     .client = "127.0.0.1",
     .mailbox = "alice@contoso.com"},
    {.name = "trusted client",
     .action = Action::Graph,
     .reason = "route",
     .sasl_user = "",
     .client = "192.0.2.9",
     .mailbox = "alice@contoso.com"},
    {.name = "trusted client, v4-mapped",
     .action = Action::Graph,
     .reason = "route",
     .sasl_user = "",
     .client = "::ffff:192.0.2.9",
     .mailbox = "alice@contoso.com"},
    {.name = "forged mail to port 25 with a local sender",
     .action = Action::Relay,
     .reason = "not_submitted",
     .sasl_user = "",
     .detail = "neither authenticated"},
    {.name = "the same from the loopback, back out of a content filter",
     .action = Action::Relay,
     .reason = "not_submitted",
     .sasl_user = "",
     .client = "127.0.0.1"},
    {.name = "the same from a Unix socket",
     .action = Action::Relay,
     .reason = "not_submitted",
     .sasl_user = "",
     .client = ""},
    {.name = "forged mail is not discarded either",
     .action = Action::Relay,
     .reason = "not_submitted",
     .routes = kDiscard,
     .sasl_user = ""},
    {.name = "forged mail to a stranger's domain: no route",
     .action = Action::Relay,
     .reason = "no_route",
     .mail_from = "eve@evil.example",
     .sasl_user = ""},
    {.name = "a route that names the client is no submission",
     .action = Action::Relay,
     .reason = "not_submitted",
     .routes = kClientRoute,
     .sasl_user = ""},
    {.name = "reject routes work for strangers",
     .action = Action::Reject,
     .reason = "route",
     .routes = kReject,
     .sasl_user = "",
     .code = 550,
     .detail = "not from here"},
    {.name = "relay routes work for strangers",
     .action = Action::Relay,
     .reason = "route",
     .routes = kRelayFirst,
     .sasl_user = ""},
    {.name = "a relay route stops the later ones",
     .action = Action::Relay,
     .reason = "route",
     .routes = kRelayFirst},
    {.name = "at the queue the admin's table has chosen",
     .action = Action::Graph,
     .reason = "route",
     .via = Submission::Queue,
     .transports = "",
     .sasl_user = "",
     .client = "",
     .mailbox = "alice@contoso.com"},
    {.name = "sasl_user never matches at the queue",
     .action = Action::Relay,
     .reason = "no_route",
     .routes = kSaslRoute,
     .via = Submission::Queue,
     .sasl_user = "",
     .client = ""},
    {.name = "client never matches at the queue",
     .action = Action::Relay,
     .reason = "no_route",
     .routes = kClientRoute,
     .via = Submission::Queue,
     .sasl_user = "",
     .client = ""},
};

const RouterRow kRoutes[] = {
    {.name = "no route at all", .action = Action::Relay, .reason = "no_route", .routes = ""},
    {.name = "another sender",
     .action = Action::Relay,
     .reason = "no_route",
     .mail_from = "alice@fabrikam.com"},
    {.name = "a subdomain is another domain",
     .action = Action::Relay,
     .reason = "no_route",
     .mail_from = "alice@sub.contoso.com"},
    {.name = "upper case",
     .action = Action::Graph,
     .reason = "route",
     .mail_from = "ALICE@CONTOSO.COM",
     .mailbox = "alice@contoso.com"},
    {.name = "quotes that nobody needs",
     .action = Action::Graph,
     .reason = "route",
     .mail_from = "\"alice\"@contoso.com",
     .mailbox = "alice@contoso.com"},
    {.name = "the null sender matches no sender",
     .action = Action::Relay,
     .reason = "no_route",
     .mail_from = ""},
    {.name = "from: every address must match",
     .action = Action::Relay,
     .reason = "no_route",
     .routes = kFromRoute,
     .headers = "From: alice@contoso.com, eve@evil.example\r\n"},
    {.name = "from: no From, no match",
     .action = Action::Relay,
     .reason = "no_route",
     .routes = kFromRoute,
     .headers = "To: bob@example.org\r\n"},
    {.name = "from matches",
     .action = Action::Graph,
     .reason = "route",
     .routes = kFromRoute,
     .mailbox = "alice@contoso.com"},
    {.name = "sasl_user in any case",
     .action = Action::Graph,
     .reason = "route",
     .routes = kSaslRoute,
     .sasl_user = "ALICE",
     .mailbox = "alice@contoso.com"},
    {.name = "sasl_user * needs one",
     .action = Action::Relay,
     .reason = "no_route",
     .routes = "[[route]]\nname = \"r\"\nsasl_user = [\"*\"]\n",
     .via = Submission::Local,
     .sasl_user = ""},
    {.name = "several keys must all match",
     .action = Action::Relay,
     .reason = "no_route",
     .routes = kTwoKeys},
    {.name = "several keys that all match",
     .action = Action::Graph,
     .reason = "route",
     .routes = kTwoKeys,
     .sasl_user = "bob",
     .mailbox = "alice@contoso.com"},
    {.name = "client with sign-in",
     .action = Action::Graph,
     .reason = "route",
     .routes = kClientRoute,
     .mailbox = "alice@contoso.com"},
    {.name = "every recipient matches",
     .action = Action::Graph,
     .reason = "route",
     .routes = kByRecipient,
     .recipients = "bob@example.org carol@EXAMPLE.org",
     .mailbox = "alice@contoso.com"},
    {.name = "one recipient does not match: whole",
     .action = Action::Relay,
     .reason = "recipients_differ",
     .routes = kByRecipient,
     .recipients = "bob@example.org carol@example.net"},
    {.name = "the first one does not match: whole",
     .action = Action::Relay,
     .reason = "recipients_differ",
     .routes = kByRecipient,
     .recipients = "carol@example.net bob@example.org"},
    {.name = "two graph routes for one message",
     .action = Action::Relay,
     .reason = "recipients_differ",
     .routes = "[[route]]\nname = \"a\"\nrecipient = [\"@example.org\"]\n[[route]]\nname = "
               "\"b\"\nmailbox = \"from\"\n",
     .recipients = "bob@example.org carol@example.net"},
    {.name = "switched off",
     .action = Action::Relay,
     .reason = "switched_off",
     .graph = "enabled = false"},
    {.name = "switched off: everything relays, rejects too",
     .action = Action::Relay,
     .reason = "switched_off",
     .graph = "enabled = false",
     .routes = kReject},
};

const RouterRow kAllowFrom[] = {
    {.name = "both may be used",
     .action = Action::Graph,
     .reason = "route",
     .routes = kAllow,
     .mailbox = "alice@contoso.com"},
    {.name = "MAIL FROM may not",
     .action = Action::Reject,
     .reason = "allow_from",
     .routes = kAllow,
     .mail_from = "eve@evil.example",
     .code = 550,
     .detail = "MAIL FROM <eve@evil.example>"},
    {.name = "From may not",
     .action = Action::Reject,
     .reason = "allow_from",
     .routes = kAllow,
     .headers = "From: Boss <boss@evil.example>\r\n",
     .code = 550,
     .detail = "From <boss@evil.example>"},
    {.name = "the second From may not",
     .action = Action::Reject,
     .reason = "allow_from",
     .routes = kAllow,
     .headers = "From: alice@contoso.com\r\nFrom: boss@evil.example\r\n",
     .code = 550},
    {.name = "a From that cannot be read",
     .action = Action::Reject,
     .reason = "allow_from",
     .routes = kAllow,
     .headers = "From: alice@contoso.com <boss@evil.example\r\n",
     .code = 550},
    {.name = "before the null sender",
     .action = Action::Reject,
     .reason = "allow_from",
     .routes = kAllow,
     .mail_from = "",
     .headers = "From: boss@evil.example\r\n",
     .code = 550},
    {.name = "before strangers, size and transports",
     .action = Action::Reject,
     .reason = "allow_from",
     .routes = kAllow,
     .transports = "local",
     .headers = "From: boss@evil.example\r\nTo: x@y.example\r\nList-Id: <x>\r\n",
     .size = 90'000'000,
     .code = 550},
    {.name = "before the recipients' routes",
     .action = Action::Reject,
     .reason = "allow_from",
     .routes = kAllowByRecipient,
     .recipients = "carol@example.net bob@example.org",
     .code = 550},
    {.name = "at the queue too",
     .action = Action::Reject,
     .reason = "allow_from",
     .routes = kAllow,
     .via = Submission::Queue,
     .mail_from = "eve@evil.example",
     .code = 550},
    {.name = "before a discard",
     .action = Action::Reject,
     .reason = "allow_from",
     .routes = "[[route]]\nname = \"r\"\naction = \"discard\"\nallow_from = [\"@contoso.com\"]\n",
     .mail_from = "eve@evil.example",
     .code = 550},
    {.name = "no From header, sender allowed",
     .action = Action::Graph,
     .reason = "route",
     .routes = kAllow,
     .headers = "To: bob@example.org\r\n",
     .mailbox = "alice@contoso.com"},
};

void check(const RouterRow& row) {
    const Decision decision = decision_of(row);
    BOOST_TEST(name_of(decision.action) == name_of(row.action), decision.detail);
    BOOST_TEST(decision.reason == row.reason, decision.detail);
    BOOST_TEST(decision.mailbox == row.mailbox);
    BOOST_TEST(decision.detail.find(row.detail) != std::string::npos, decision.detail);
    BOOST_TEST(!decision.detail.empty());
    if (row.action == Action::Reject) {
        BOOST_TEST(decision.reply.code == row.code);
        BOOST_TEST(decision.reply.text == decision.detail);
        BOOST_TEST(decision.reply.enhanced.front() == '5');
    }
}

BOOST_DATA_TEST_CASE(only_submissions_are_diverted, boost::unit_test::data::make(kSubmission),
                     row) {
    check(row);
}

BOOST_DATA_TEST_CASE(the_first_route_that_matches_wins, boost::unit_test::data::make(kRoutes),
                     row) {
    check(row);
}

BOOST_DATA_TEST_CASE(allow_from_comes_first, boost::unit_test::data::make(kAllowFrom), row) {
    check(row);
}

BOOST_AUTO_TEST_CASE(a_reason_of_a_rejection_reaches_the_client_as_it_stands) {
    RouterRow row{.name = "", .action = Action::Reject, .reason = ""};
    row.routes = "[[route]]\nname = \"no\"\naction = \"reject\"\nreason = \"100% no\"\n";
    const Decision decision = decision_of(row);
    BOOST_TEST(decision.reply.code == 550);
    BOOST_TEST(decision.reply.enhanced == "5.7.1");
    BOOST_TEST(decision.reply.text == "100% no");
    BOOST_TEST(decision.route == "no");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace postbearer::milter
