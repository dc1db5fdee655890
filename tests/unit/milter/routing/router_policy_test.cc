// SPDX-License-Identifier: Apache-2.0
// Every value of every policy of [graph], for SMTP, sendmail(1) and the queue.
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include "milter/routing/router.hh"
#include "tests/unit/milter/routing/router_row.hh"

namespace postbearer::milter {
namespace {

BOOST_AUTO_TEST_SUITE(router_policy_test)

constexpr Submission kQueue = Submission::Queue;
constexpr Submission kLocal = Submission::Local;
constexpr const char* kAlice = "alice@contoso.com";
constexpr const char* kAny = "[[route]]\nname = \"any\"\n";
constexpr const char* kFixed = "[[route]]\nname = \"r\"\nmailbox = \"Shared@Contoso.com\"\n";
constexpr const char* kByFrom = "[[route]]\nname = \"r\"\nmailbox = \"from\"\n";
constexpr const char* kDiscard = "[[route]]\nname = \"r\"\naction = \"discard\"\n";
constexpr const char* kStranger =
    "From: alice@contoso.com\r\nTo: bob@example.org\r\nCc: Eve <eve@evil.example>\r\n";
constexpr const char* kDoubtful = "From: alice@contoso.com\r\nTo: bob@example.org <x\r\n";
constexpr const char* kList = "From: alice@contoso.com\r\nList-Id: <x.example>\r\n";
constexpr const char* kUtf8 = "b\xc3\xbc@example.org";

const RouterRow kStrangers[] = {
    {.name = "relay",
     .action = Action::Relay,
     .reason = "strangers",
     .headers = kStranger,
     .detail = "<eve@evil.example>"},
    {.name = "relay, sendmail(1)",
     .action = Action::Relay,
     .reason = "strangers",
     .via = kLocal,
     .sasl_user = "",
     .headers = kStranger},
    {.name = "trim",
     .action = Action::Graph,
     .reason = "route",
     .graph = "strangers = \"trim\"",
     .headers = kStranger,
     .mailbox = kAlice},
    {.name = "reject",
     .action = Action::Reject,
     .reason = "strangers",
     .graph = "strangers = \"reject\"",
     .headers = kStranger,
     .code = 550},
    {.name = "reject, queue: trimmed there always",
     .action = Action::Graph,
     .reason = "route",
     .graph = "strangers = \"reject\"",
     .via = kQueue,
     .headers = kStranger,
     .mailbox = kAlice},
    {.name = "relay, queue: trimmed there always",
     .action = Action::Graph,
     .reason = "route",
     .via = kQueue,
     .headers = kStranger,
     .mailbox = kAlice},
    {.name = "a To that cannot be read",
     .action = Action::Relay,
     .reason = "strangers",
     .headers = kDoubtful,
     .detail = "cannot be read"},
    {.name = "a To that cannot be read, trim",
     .action = Action::Graph,
     .reason = "route",
     .graph = "strangers = \"trim\"",
     .headers = kDoubtful,
     .mailbox = kAlice},
    {.name = "hidden recipients are no strangers",
     .action = Action::Graph,
     .reason = "route",
     .recipients = "bob@example.org hidden@example.org",
     .mailbox = kAlice},
    {.name = "another case is no stranger",
     .action = Action::Graph,
     .reason = "route",
     .headers = "From: alice@contoso.com\r\nTo: BOB@Example.ORG\r\n",
     .mailbox = kAlice},
};

const RouterRow kNullSender[] = {
    {.name = "relay",
     .action = Action::Relay,
     .reason = "null_sender",
     .routes = kAny,
     .mail_from = ""},
    {.name = "relay, sendmail(1)",
     .action = Action::Relay,
     .reason = "null_sender",
     .routes = kAny,
     .via = kLocal,
     .mail_from = "",
     .sasl_user = ""},
    {.name = "relay, queue",
     .action = Action::Relay,
     .reason = "null_sender",
     .routes = kAny,
     .via = kQueue,
     .mail_from = ""},
    {.name = "mailbox: that of From",
     .action = Action::Graph,
     .reason = "route",
     .graph = "null_sender = \"mailbox\"",
     .routes = kAny,
     .mail_from = "",
     .mailbox = kAlice},
    {.name = "mailbox: the fixed one",
     .action = Action::Graph,
     .reason = "route",
     .graph = "null_sender = \"mailbox\"",
     .routes = kFixed,
     .mail_from = "",
     .mailbox = "shared@contoso.com"},
    {.name = "mailbox, but no From",
     .action = Action::Relay,
     .reason = "from",
     .graph = "null_sender = \"mailbox\"",
     .routes = kFixed,
     .mail_from = "",
     .headers = "To: bob@example.org\r\n"},
    {.name = "mailbox, queue, but no From",
     .action = Action::Reject,
     .reason = "from",
     .graph = "null_sender = \"mailbox\"",
     .routes = kFixed,
     .via = kQueue,
     .mail_from = "",
     .headers = "To: bob@example.org\r\n",
     .code = 554},
    {.name = "reject",
     .action = Action::Reject,
     .reason = "null_sender",
     .graph = "null_sender = \"reject\"",
     .routes = kAny,
     .mail_from = "",
     .code = 550},
    {.name = "reject, queue",
     .action = Action::Reject,
     .reason = "null_sender",
     .graph = "null_sender = \"reject\"",
     .routes = kAny,
     .via = kQueue,
     .mail_from = "",
     .code = 550},
};

const RouterRow kSender[] = {
    {.name = "other mailbox",
     .action = Action::Relay,
     .reason = "envelope_from",
     .routes = kFixed,
     .detail = "shared@contoso.com"},
    {.name = "other mailbox, queue",
     .action = Action::Relay,
     .reason = "envelope_from",
     .routes = kFixed,
     .via = kQueue},
    {.name = "other mailbox, ignore",
     .action = Action::Graph,
     .reason = "route",
     .graph = "envelope_from = \"ignore\"",
     .routes = kFixed,
     .mailbox = "shared@contoso.com"},
    {.name = "the same in another case",
     .action = Action::Graph,
     .reason = "route",
     .routes = kFixed,
     .mail_from = "SHARED@contoso.com",
     .mailbox = "shared@contoso.com"},
    {.name = "mailbox from, sender differs",
     .action = Action::Relay,
     .reason = "envelope_from",
     .routes = kByFrom,
     .mail_from = "bounces+bob=example.org@contoso.com"},
    {.name = "mailbox from",
     .action = Action::Graph,
     .reason = "route",
     .graph = "envelope_from = \"ignore\"",
     .routes = kByFrom,
     .mail_from = "x@y.example",
     .mailbox = kAlice},
    {.name = "mailbox from, no From",
     .action = Action::Graph,
     .reason = "route",
     .routes = kByFrom,
     .headers = "",
     .mailbox = kAlice},
    {.name = "a sender that is no mailbox",
     .action = Action::Relay,
     .reason = "mailbox",
     .routes = kAny,
     .mail_from = "\"a b\"@contoso.com"},
    {.name = "a sender without domain",
     .action = Action::Relay,
     .reason = "mailbox",
     .routes = kAny,
     .mail_from = "root"},
    {.name = "two From fields",
     .action = Action::Relay,
     .reason = "from",
     .headers = "From: alice@contoso.com\r\nFrom: alice@contoso.com\r\n"},
    {.name = "two From addresses",
     .action = Action::Relay,
     .reason = "from",
     .headers = "From: alice@contoso.com, b@contoso.com\r\nSender: alice@contoso.com\r\n"},
    {.name = "two From addresses, queue",
     .action = Action::Reject,
     .reason = "from",
     .via = kQueue,
     .headers = "From: alice@contoso.com, b@contoso.com\r\n",
     .code = 554},
    {.name = "an empty From", .action = Action::Relay, .reason = "from", .headers = "From:\r\n"},
    {.name = "a From that cannot be read",
     .action = Action::Relay,
     .reason = "from",
     .headers = "From: alice@contoso.com <x@y.example\r\n"},
};

const RouterRow kHeaders[] = {
    {.name = "list",
     .action = Action::Relay,
     .reason = "fragile_headers",
     .headers = kList,
     .detail = "List-Id"},
    {.name = "list, queue",
     .action = Action::Relay,
     .reason = "fragile_headers",
     .via = kQueue,
     .headers = kList},
    {.name = "list, ignore",
     .action = Action::Graph,
     .reason = "route",
     .graph = "fragile_headers = \"ignore\"",
     .headers = kList,
     .mailbox = kAlice},
    {.name = "auto-submitted",
     .action = Action::Relay,
     .reason = "fragile_headers",
     .headers = "From: alice@contoso.com\r\nAuto-Submitted: auto-replied\r\n"},
    {.name = "resent",
     .action = Action::Relay,
     .reason = "fragile_headers",
     .headers = "From: alice@contoso.com\r\nResent-To: x@y.example\r\n",
     .detail = "Resent-*"},
    {.name = "utf-8 recipient",
     .action = Action::Relay,
     .reason = "smtputf8",
     .recipients = kUtf8,
     .headers = "From: alice@contoso.com\r\n"},
    {.name = "utf-8 recipient, queue",
     .action = Action::Relay,
     .reason = "smtputf8",
     .via = kQueue,
     .recipients = kUtf8,
     .headers = "From: alice@contoso.com\r\n"},
    {.name = "utf-8 recipient, ignore",
     .action = Action::Graph,
     .reason = "route",
     .graph = "smtputf8 = \"ignore\"",
     .recipients = kUtf8,
     .headers = "From: alice@contoso.com\r\n",
     .mailbox = kAlice},
};

constexpr std::uint64_t kMost = 3'900'000 / 4 * 3;  // bytes that have 3.9 MB in base64
const RouterRow kSize[] = {
    {.name = "just fits",
     .action = Action::Graph,
     .reason = "route",
     .size = kMost,
     .mailbox = kAlice},
    {.name = "one byte more",
     .action = Action::Relay,
     .reason = "large",
     .size = kMost + 1,
     .detail = "3900004 bytes in base64"},
    {.name = "sendmail(1)",
     .action = Action::Relay,
     .reason = "large",
     .via = kLocal,
     .sasl_user = "",
     .size = kMost + 1},
    {.name = "reject",
     .action = Action::Reject,
     .reason = "large",
     .graph = "large = \"reject\"",
     .size = kMost + 1,
     .code = 552},
    {.name = "queue",
     .action = Action::Reject,
     .reason = "large",
     .via = kQueue,
     .size = kMost + 1,
     .code = 552},
    {.name = "recipients just fit",
     .action = Action::Graph,
     .reason = "route",
     .graph = "max_recipients = 2",
     .recipients = "bob@example.org c@example.org",
     .mailbox = kAlice},
    {.name = "too many recipients",
     .action = Action::Relay,
     .reason = "max_recipients",
     .graph = "max_recipients = 2",
     .recipients = "bob@example.org c@example.org d@example.org"},
    {.name = "too many recipients, queue: batches",
     .action = Action::Graph,
     .reason = "route",
     .graph = "max_recipients = 2",
     .via = kQueue,
     .recipients = "bob@example.org c@example.org d@example.org",
     .mailbox = kAlice},
};

const RouterRow kPlaces[] = {
    {.name = "a recipient that no header can name",
     .action = Action::Relay,
     .reason = "recipient",
     .recipients = "bob@example.org \"x,y\"@example.org",
     .detail = "x,y"},
    {.name = "a local recipient",
     .action = Action::Relay,
     .reason = "local_domains",
     .recipients = "bob@example.org carol@LOCAL.example",
     .detail = "carol@local.example"},
    {.name = "a local recipient, sendmail(1)",
     .action = Action::Relay,
     .reason = "local_domains",
     .via = kLocal,
     .recipients = "bob@example.org carol@local.example",
     .sasl_user = ""},
    {.name = "a local recipient, queue: left out there",
     .action = Action::Graph,
     .reason = "route",
     .via = kQueue,
     .recipients = "bob@example.org carol@local.example",
     .mailbox = kAlice},
    {.name = "a recipient without domain",
     .action = Action::Relay,
     .reason = "local_domains",
     .via = kLocal,
     .recipients = "bob@example.org root",
     .sasl_user = ""},
    {.name = "a local domain beyond ASCII",
     .action = Action::Relay,
     .reason = "local_domains",
     .recipients = "bob@example.org carol@xn--bcher-kva.example"},
    {.name = "all to one other transport",
     .action = Action::Relay,
     .reason = "transports",
     .transports = "local",
     .detail = "takes the transport local"},
    {.name = "mixed transports",
     .action = Action::Relay,
     .reason = "transports",
     .recipients = "bob@example.org carol@example.org",
     .transports = "smtp lmtp"},
    {.name = "mixed transports, the first",
     .action = Action::Relay,
     .reason = "transports",
     .recipients = "bob@example.org carol@example.org",
     .transports = "lmtp smtp"},
    {.name = "Postfix does not say",
     .action = Action::Relay,
     .reason = "transports",
     .transports = "",
     .detail = "{rcpt_mailer}"},
    {.name = "another list of transports",
     .action = Action::Graph,
     .reason = "route",
     .milter = "transports = [\"relay\", \"smtp\"]",
     .recipients = "bob@example.org carol@example.org",
     .transports = "relay smtp",
     .mailbox = kAlice},
    {.name = "sendmail(1) says nothing of transports",
     .action = Action::Graph,
     .reason = "route",
     .via = kLocal,
     .transports = "",
     .sasl_user = "",
     .mailbox = kAlice},
    {.name = "discard", .action = Action::Discard, .reason = "route", .routes = kDiscard},
    {.name = "discard whatever Graph would make of it",
     .action = Action::Discard,
     .reason = "route",
     .routes = kDiscard,
     .mail_from = "",
     .headers = kList,
     .size = 90'000'000},
    {.name = "discard, but a local recipient",
     .action = Action::Relay,
     .reason = "local_domains",
     .routes = kDiscard,
     .recipients = "bob@example.org carol@local.example"},
    {.name = "discard, but another transport",
     .action = Action::Relay,
     .reason = "transports",
     .routes = kDiscard,
     .transports = "local",
     .detail = "takes the transport local"},
    {.name = "discard at the queue",
     .action = Action::Discard,
     .reason = "route",
     .routes = kDiscard,
     .via = kQueue},
};

void check(const RouterRow& row) {
    const Decision decision = decision_of(row);
    BOOST_TEST(name_of(decision.action) == name_of(row.action), decision.detail);
    BOOST_TEST(decision.reason == row.reason, decision.detail);
    BOOST_TEST(decision.mailbox == row.mailbox);
    BOOST_TEST(decision.detail.find(row.detail) != std::string::npos, decision.detail);
    BOOST_TEST(!decision.detail.empty());
    BOOST_TEST(decision.reply.text.empty() == (row.action != Action::Reject));
    if (row.action == Action::Reject) {
        BOOST_TEST(decision.reply.code == row.code);
    }
}

BOOST_DATA_TEST_CASE(strangers, boost::unit_test::data::make(kStrangers), row) { check(row); }
BOOST_DATA_TEST_CASE(null_sender, boost::unit_test::data::make(kNullSender), row) { check(row); }
BOOST_DATA_TEST_CASE(sender_and_mailbox, boost::unit_test::data::make(kSender), row) { check(row); }
BOOST_DATA_TEST_CASE(headers, boost::unit_test::data::make(kHeaders), row) { check(row); }
BOOST_DATA_TEST_CASE(size_and_number, boost::unit_test::data::make(kSize), row) { check(row); }
BOOST_DATA_TEST_CASE(places, boost::unit_test::data::make(kPlaces), row) { check(row); }

struct Reply {
    const char* name;
    Decision decision;
    QueuedBy queued_by;
    const char* id;
    int code;
    const char* text;
};
std::ostream& operator<<(std::ostream& out, const Reply& row) { return out << row.name; }

const Reply kReplies[] = {
    {"switched off",
     {Action::Relay, "", "", "switched_off", "d", {}},
     QueuedBy::Milter,
     "4cQ",
     451,
     "not sent: Graph is switched off ([graph] enabled = false in milter.toml); this front cannot "
     "relay: change the rule in milter.toml, or, unless an earlier attempt may have been sent, "
     "`postsuper -r 4cQ` gives it to the usual transport"},
    {"no route",
     {Action::Relay, "", "", "no_route", "no route matches", {}},
     QueuedBy::Transport,
     "",
     451,
     "not sent: no route matches in milter.toml; this front cannot relay: change the rule in "
     "milter.toml, or the transport table that sends this message here"},
    {"a rule",
     {Action::Relay, "r", "", "strangers", "why", {}},
     QueuedBy::Milter,
     "4cQ",
     451,
     "not sent: route r: why; this front cannot relay: change the rule in milter.toml, or, unless "
     "an earlier attempt may have been sent, `postsuper -r 4cQ` gives it to the usual transport"},
    {"reject",
     {Action::Reject, "r", "", "large", "", {552, "5.3.4", "too large"}},
     QueuedBy::Transport,
     "4cQ",
     552,
     "too large"},
};

BOOST_DATA_TEST_CASE(what_cannot_be_relayed_waits_with_rule_and_fix,
                     boost::unit_test::data::make(kReplies), row) {
    const LmtpReply reply = queue_reply(row.decision, row.queued_by, row.id);
    BOOST_TEST(reply.code == row.code);
    BOOST_TEST(reply.enhanced == (row.code == 451 ? "4.3.5" : "5.3.4"));
    BOOST_TEST(reply.text == row.text);
}

BOOST_AUTO_TEST_CASE(base64_is_a_third_longer) {
    BOOST_TEST(base64_bytes(0) == 0U);
    BOOST_TEST(base64_bytes(1) == 4U);
    BOOST_TEST(base64_bytes(3) == 4U);
    BOOST_TEST(base64_bytes(4) == 8U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace postbearer::milter
