// SPDX-License-Identifier: Apache-2.0
// Every mistake that the loader knows, with the exact line that the admin reads.

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>

#include "milter/config_loader.hh"
#include "tests/unit/milter/routing/config_texts.hh"

namespace postbearer::milter {
namespace {

BOOST_AUTO_TEST_SUITE(config_mistakes_test)

struct Mistake {
    const char* name;
    const char* text;
    const char* error;
};
std::ostream& operator<<(std::ostream& out, const Mistake& row) { return out << row.name; }

constexpr const char* kInetForm =
    "milter.toml:3:10: listen: expected inet:PORT@127.0.0.1; a milter has no password, so it "
    "listens on this host only";

constexpr Mistake kMilter[] = {
    {"unknown section", "[milt]\nuser = \"postfix\"",
     "milter.toml:1:2: unknown key 'milt' in the top level of the file; did you mean 'milter'?"},
    {"unknown key", "[milter]\nlissen = \"unix:/a\"",
     "milter.toml:2:1: unknown key 'lissen' in [milter]; did you mean 'listen'?"},
    {"section as a value", "milter = 7",
     "milter.toml:1:10: milter: expected a table, found an integer"},
    {"wrong type", "[milter]\nuser = 7",
     "milter.toml:2:8: user: expected a string, found an integer"},
    {"unknown user", "[milter]\nuser = \"nobody-here\"",
     "milter.toml:2:8: user: there is no user \"nobody-here\" on this host"},
    {"unknown group", "[milter]\nsocket_group = \"wheel\"",
     "milter.toml:2:16: socket_group: there is no group \"wheel\" on this host"},
    {"mode as a number", "[milter]\nsocket_mode = 0o660",
     "milter.toml:2:15: socket_mode: expected a string, found an integer"},
    {"socket without a kind", "[milter]\nlisten = \"/a\"",
     "milter.toml:2:10: listen: expected unix:PATH, fd:NAME or inet:PORT@127.0.0.1"},
    {"relative socket", "[milter]\nlisten = \"unix:a\"",
     "milter.toml:2:10: listen: expected an absolute path after unix:"},
    {"long socket",
     "[milter]\nlisten = \"unix:/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/"
     "0123456789/0123456789/0123456789/0123456789\"",
     "milter.toml:2:10: listen: a socket's path has at most 107 bytes, this one 110"},
    {"descriptor without a name", "[milter]\nlisten = \"fd:\"",
     "milter.toml:2:10: listen: expected unix:PATH, fd:NAME or inet:PORT@127.0.0.1"},
    {"inet without trust", "[milter]\nlisten = \"inet:8890@127.0.0.1\"",
     "milter.toml:2:10: listen: every user of this host could reach a TCP port: use unix:PATH, or "
     "set inet_is_trusted = true"},
    {"inet without host", "[milter]\ninet_is_trusted = true\nlisten = \"inet:8890\"", kInetForm},
    {"inet on all addresses", "[milter]\ninet_is_trusted = true\nlisten = \"inet:8890@0.0.0.0\"",
     kInetForm},
    {"inet on a name that begins like the loopback",
     "[milter]\ninet_is_trusted = true\nlisten = \"inet:8890@127.evil.example\"", kInetForm},
    {"inet on IPv6, which libmilter spells inet6:",
     "[milter]\ninet_is_trusted = true\nlisten = \"inet:8890@::1\"", kInetForm},
    {"inet without port", "[milter]\ninet_is_trusted = true\nlisten = \"inet:@127.0.0.1\"",
     kInetForm},
    {"inet with port 0", "[milter]\ninet_is_trusted = true\nlisten = \"inet:0@127.0.0.1\"",
     kInetForm},
    {"inet with a large port",
     "[milter]\ninet_is_trusted = true\nlisten = \"inet:65536@localhost\"", kInetForm},
    {"LMTP over inet", "[milter]\nlmtp = \"inet:24@127.0.0.1\"",
     "milter.toml:2:8: lmtp: expected unix:PATH or fd:NAME"},
    {"both fronts in one place", "[milter]\nlisten = \"unix:/a\"\nlmtp = \"unix:/a\"",
     "milter.toml:3:8: lmtp: is the same as listen"},
    {"both fronts on one descriptor", "[milter]\nlisten = \"fd:a\"\nlmtp = \"fd:a\"",
     "milter.toml:3:8: lmtp: is the same as listen"},
    {"relative agent", "[milter]\nagent = \"b\"",
     "milter.toml:2:9: agent: expected an absolute path, found \"b\""},
    {"several agents", "[milter]\nagent = [\"/a\"]",
     "milter.toml:2:9: agent: expected a string, found a list"},
    {"relative journal", "[milter]\njournal = \"journal.db\"",
     "milter.toml:2:11: journal: expected an absolute path, found \"journal.db\""},
    {"network with host bits", "[milter]\ntrusted_clients = [\"::1\", \"192.0.2.1/24\"]",
     "milter.toml:2:27: trusted_clients: expected a network such as \"192.0.2.0/24\" (no bits set "
     "behind the prefix) or an address, found \"192.0.2.1/24\""},
    {"host name for a network", "[milter]\ntrusted_clients = [\"localhost\"]",
     "milter.toml:2:20: trusted_clients: expected a network such as \"192.0.2.0/24\" (no bits set "
     "behind the prefix) or an address, found \"localhost\""},
    {"number for a network", "[milter]\ntrusted_clients = [10]",
     "milter.toml:2:20: trusted_clients: expected a string, found an integer"},
    {"no transport", "[milter]\ntransports = []",
     "milter.toml:2:14: transports: needs one transport at least, or nothing is ever diverted"},
    {"local domain with @", "[milter]\nlocal_domains = [\"@contoso.com\"]",
     "milter.toml:2:18: local_domains: expected a domain such as \"example.com\""},
    {"local domain *", "[milter]\nlocal_domains = [\"*\"]",
     "milter.toml:2:18: local_domains: expected a domain such as \"example.com\""},
};

constexpr Mistake kGraph[] = {
    {"unknown key", "[graph]\nstanger = \"trim\"",
     "milter.toml:2:1: unknown key 'stanger' in [graph]; did you mean 'strangers'?"},
    {"boolean as a string", "[graph]\nenabled = \"no\"",
     "milter.toml:2:11: enabled: expected true or false, found a string"},
    {"unknown word", "[graph]\nstrangers = \"trimm\"",
     "milter.toml:2:13: strangers: unknown word \"trimm\", expected relay, trim or reject; did you "
     "mean 'trim'?"},
    {"upload is not there yet", "[graph]\nlarge = \"upload\"",
     "milter.toml:2:9: large: unknown word \"upload\", expected relay or reject"},
    {"draft is not there yet", "[graph]\ndelivery = \"draft\"",
     "milter.toml:2:12: delivery: unknown word \"draft\", expected sendmail"},
    {"hold is not there yet", "[graph]\nin_doubt = \"hold\"",
     "milter.toml:2:12: in_doubt: unknown word \"hold\", expected reconcile or resend"},
    {"unknown cloud", "[graph]\ncloud = \"mars\"",
     "milter.toml:2:9: cloud: unknown word \"mars\", expected global, gcc, gcc-high, dod or china"},
    {"rate", "[graph]\nrate = \"30/min\"",
     "milter.toml:2:8: rate is not supported by this version"},
    {"bounce bridge", "[graph]\nbounce_bridge = true",
     "milter.toml:2:17: bounce_bridge is not supported by this version"},
    {"no recipient", "[graph]\nmax_recipients = 0",
     "milter.toml:2:18: max_recipients: expected 1 to 1000, found 0"},
    {"more recipients than Exchange takes", "[graph]\nmax_recipients = 1001",
     "milter.toml:2:18: max_recipients: expected 1 to 1000, found 1001"},
    {"more at a time than Microsoft takes", "[graph]\nconcurrency = 5",
     "milter.toml:2:15: concurrency: expected 1 to 4, found 5"},
    {"no time", "[graph]\nbudget = \"0s\"",
     "milter.toml:2:10: budget: expected \"1s\" to \"1h\", found \"0s\""},
    {"longer than Postfix waits", "[graph]\nbudget = \"9m\"\nanswer_timeout = \"31s\"",
     "milter.toml:2:10: budget and answer_timeout together are above 540s, and Postfix hangs up "
     "after 600s (lmtp_data_done_timeout)"},
    {"longer than Postfix waits, by the default", "[graph]\nanswer_timeout = \"511s\"",
     "milter.toml:1:1: budget and answer_timeout together are above 540s, and Postfix hangs up "
     "after 600s (lmtp_data_done_timeout)"},
    {"endpoint in clear", "[graph]\nendpoint = \"http://graph.example.com\"",
     "milter.toml:2:12: endpoint: must be https: a secret would go over the wire in clear"},
    {"endpoint with a password", "[graph]\nendpoint = \"https://u:p@graph.example.com\"",
     "milter.toml:2:12: endpoint: a user or password in a URL is refused"},
    {"missing CA file", "[graph]\nca_file = \"/missing\"",
     "milter.toml:2:11: ca_file: /missing cannot be opened: No such file or directory"},
    {"relative spool", "[graph]\nspool_dir = \"spool\"",
     "milter.toml:2:13: spool_dir: expected an absolute path, found \"spool\""},
};

constexpr Mistake kRoute[] = {
    {"single brackets", "[route]\nname = \"r\"",
     "milter.toml:1:1: route: write [[route]] in double brackets, one for each rule"},
    {"not a list", "route = 1", "milter.toml:1:9: route: expected a list, found an integer"},
    {"no name", "[[route]]\nsender = [\"@a.example\"]",
     "milter.toml:1:1: a [[route]] needs a name; it stands in logs and answers"},
    {"name with a semicolon", "[[route]]\nname = \"a;b\"",
     "milter.toml:2:8: name: expected letters, digits, '-', '_' and '.', at most 40"},
    {"long name", "[[route]]\nname = \"01234567890123456789012345678901234567890\"",
     "milter.toml:2:8: name: expected letters, digits, '-', '_' and '.', at most 40"},
    {"unknown key", "[[route]]\nname = \"r\"\nsenders = [\"@a.example\"]",
     "milter.toml:3:1: unknown key 'senders' in [[route]]; did you mean 'sender'?"},
    {"unknown action", "[[route]]\nname = \"r\"\naction = \"drop\"",
     "milter.toml:3:10: action: unknown word \"drop\", expected graph, relay, reject or discard"},
    {"domain without @", "[[route]]\nname = \"r\"\nsender = [\"contoso.com\"]",
     "milter.toml:3:11: sender: expected an address, @domain or *, found \"contoso.com\"; did you "
     "mean \"@contoso.com\"?"},
    {"empty sender", "[[route]]\nname = \"r\"\nsender = []",
     "milter.toml:3:10: sender: an empty list matches nothing; leave the key out to match all"},
    {"empty recipient", "[[route]]\nname = \"r\"\nrecipient = []",
     "milter.toml:3:13: recipient: an empty list matches nothing; leave the key out to match all"},
    {"empty allow_from", "[[route]]\nname = \"r\"\nallow_from = []",
     "milter.toml:3:14: allow_from: an empty list matches nothing; leave the key out to match all"},
    {"empty sasl_user", "[[route]]\nname = \"r\"\nsasl_user = []",
     "milter.toml:3:13: sasl_user: an empty list matches nothing; leave the key out to match all"},
    {"empty client", "[[route]]\nname = \"r\"\nclient = []",
     "milter.toml:3:10: client: an empty list matches nothing; leave the key out to match all"},
    {"client with host bits", "[[route]]\nname = \"r\"\nclient = [\"10.0.0.1/8\"]",
     "milter.toml:3:11: client: expected a network such as \"192.0.2.0/24\" (no bits set behind "
     "the prefix) or an address, found \"10.0.0.1/8\""},
    {"mailbox that is none", "[[route]]\nname = \"r\"\nmailbox = \"sendr\"",
     "milter.toml:3:11: mailbox: expected sender, from, an address, an object id or map:FILE, "
     "found \"sendr\"; did you mean 'sender'?"},
    {"relative map", "[[route]]\nname = \"r\"\nmailbox = \"map:boxes\"",
     "milter.toml:3:11: mailbox: expected an absolute path after map:"},
    {"mailbox of a relay", "[[route]]\nname = \"r\"\naction = \"relay\"\nmailbox = \"sender\"",
     "milter.toml:4:11: mailbox: belongs to action = \"graph\"; this route has \"relay\""},
    {"allow_from of a reject",
     "[[route]]\nname = \"r\"\naction = \"reject\"\nreason = \"x\"\nallow_from = [\"*\"]",
     "milter.toml:5:14: allow_from: belongs to action = \"graph\"; this route has \"reject\""},
    {"reject without reason", "[[route]]\nname = \"r\"\naction = \"reject\"",
     "milter.toml:1:1: action = \"reject\" needs a reason: the client reads it"},
    {"reason of a graph", "[[route]]\nname = \"r\"\nreason = \"x\"",
     "milter.toml:3:10: reason: belongs to action = \"reject\""},
    {"reason of two lines", "[[route]]\nname = \"r\"\naction = \"reject\"\nreason = \"a\\r\\nb\"",
     "milter.toml:4:10: reason: holds control characters"},
};

constexpr const char* kNever = " can never match: route ";
constexpr const char* kDivert = " can never divert: no sender of it is the mailbox ";
struct Pair {
    const char* name;
    const char* first;
    const char* second;
    const char* found;  // a part of the error at the second; nullptr: none
};
std::ostream& operator<<(std::ostream& out, const Pair& row) { return out << row.name; }

constexpr Pair kPairs[] = {
    {"all before one", "", "sender = [\"@a.example\"]", kNever},
    {"one before all", "sender = [\"@a.example\"]", "", nullptr},
    {"domain before address", "sender = [\"@a.example\"]", "sender = [\"b@a.example\"]", kNever},
    {"address before domain", "sender = [\"b@a.example\"]", "sender = [\"@a.example\"]", nullptr},
    {"star before domain", "from = [\"*\"]", "from = [\"@a.example\"]", kNever},
    {"the same twice", "recipient = [\"@a.example\"]", "recipient = [\"@a.example\"]", kNever},
    {"only one of two", "sender = [\"@a.example\"]", "sender = [\"@a.example\", \"@b.example\"]",
     nullptr},
    {"both of two", "sender = [\"@b.example\", \"@a.example\"]",
     "sender = [\"x@a.example\", \"@b.example\"]", kNever},
    {"the earlier asks for more", "sender = [\"@a.example\"]\nsasl_user = [\"x\"]",
     "sender = [\"@a.example\"]", nullptr},
    {"the later asks for more", "sender = [\"@a.example\"]",
     "sender = [\"@a.example\"]\nsasl_user = [\"x\"]", kNever},
    {"wider network first", "client = [\"10.0.0.0/8\"]", "client = [\"10.1.0.0/16\"]", kNever},
    {"narrower network first", "client = [\"10.1.0.0/16\"]", "client = [\"10.0.0.0/8\"]", nullptr},
    {"star for a sasl user does not cover nobody", "sasl_user = [\"*\"]", "", nullptr},
    {"star for a sender does not cover the null sender", "sender = [\"*\"]", "", nullptr},
    {"graph passes strangers on to a reject", "",
     "action = \"reject\"\nreason = \"no\"\nsender = [\"@a.example\"]", nullptr},
    {"discard passes strangers on to a relay", "action = \"discard\"", "action = \"relay\"",
     nullptr},
    {"reject before graph", "action = \"reject\"\nreason = \"no\"", "sender = [\"@a.example\"]",
     kNever},
    {"a mailbox that no sender is", "sender = [\"@z.example\"]",
     "sender = [\"@a.example\"]\nmailbox = \"x@b.example\"", kDivert},
    {"a mailbox that one sender is", "sender = [\"@z.example\"]",
     "sender = [\"@a.example\", \"x@b.example\"]\nmailbox = \"X@b.example\"", nullptr},
    {"a mailbox and any sender", "sender = [\"@z.example\"]", "mailbox = \"x@b.example\"", nullptr},
    {"an object id is no sender", "sender = [\"@z.example\"]",
     "mailbox = \"11111111-2222-3333-4444-555555555555\"", kDivert},
    {"an object id is no sender, whoever", "sender = [\"@z.example\"]",
     "sender = [\"*\"]\nmailbox = \"11111111-2222-3333-4444-555555555555\"", kDivert},
};

void check(const Mistake& row) {
    const std::vector<std::string> expected{row.error};
    BOOST_TEST(errors_of(row.text) == expected, boost::test_tools::per_element());
}

BOOST_DATA_TEST_CASE(in_milter, boost::unit_test::data::make(kMilter), row) { check(row); }
BOOST_DATA_TEST_CASE(in_graph, boost::unit_test::data::make(kGraph), row) { check(row); }
BOOST_DATA_TEST_CASE(in_a_route, boost::unit_test::data::make(kRoute), row) { check(row); }

BOOST_DATA_TEST_CASE(routes_that_do_nothing, boost::unit_test::data::make(kPairs), row) {
    const std::string text = "[[route]]\nname = \"one\"\n" + std::string(row.first) +
                             "\n[[route]]\nname = \"two\"\n" + row.second + "\n";
    const auto errors = errors_of(text);
    BOOST_TEST(errors.size() == (row.found == nullptr ? 0U : 1U));
    if (row.found != nullptr && !errors.empty()) {
        const std::size_t lines = static_cast<std::size_t>(
            std::count(row.first, row.first + std::string_view(row.first).size(), '\n'));
        BOOST_TEST(errors.front().starts_with("milter.toml:" + std::to_string(4 + lines) +
                                              ":1: route two" + row.found),
                   errors.front());
    }
}

BOOST_AUTO_TEST_CASE(ignore_makes_a_foreign_mailbox_possible) {
    BOOST_TEST(errors_of("[graph]\nenvelope_from = \"ignore\"\n[[route]]\nname = \"r\"\n"
                         "sender = [\"@a.example\"]\n"
                         "mailbox = \"11111111-2222-3333-4444-555555555555\"\n")
                   .empty());
    BOOST_TEST(errors_of("[graph]\nnull_sender = \"mailbox\"\n[[route]]\nname = \"r\"\n"
                         "mailbox = \"11111111-2222-3333-4444-555555555555\"\n")
                   .empty());
}

BOOST_AUTO_TEST_CASE(two_routes_of_one_name_are_told_with_both_places) {
    const auto errors =
        errors_of("[[route]]\nname = \"r\"\nsender = [\"@a.example\"]\n[[route]]\nname = \"r\"\n");
    const std::vector<std::string> expected{
        "milter.toml:5:8: name: \"r\" is taken by the route at milter.toml:1:1"};
    BOOST_TEST(errors == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_front_may_not_take_the_default_place_of_the_other) {
    const auto defaults = config_of("");
    const auto errors =
        errors_of("[milter]\nlisten = \"unix:" + defaults->lmtp.socket.path + "\"\n");
    const std::vector<std::string> expected{"milter.toml:2:10: listen: is the same as lmtp"};
    BOOST_TEST(errors == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(one_run_finds_all) {
    const auto errors = errors_of(
        "x = 1\n[milter]\nlisten = 5\ntrusted_clients = [\"a\", 1]\n[graph]\nbudget = \"x\"\n"
        "max_recipients = 0\n[[route]]\naction = \"x\"\n[[route]]\nname = \"b\"\nmailbox = 1\n");
    std::vector<std::string> places;
    for (const std::string& error : errors) {
        places.push_back(error.substr(0, error.find(": ")));
    }
    const std::vector<std::string> expected{
        "milter.toml:1:1",  "milter.toml:3:10", "milter.toml:4:20", "milter.toml:4:25",
        "milter.toml:6:10", "milter.toml:7:18", "milter.toml:8:1",  "milter.toml:9:10"};
    for (const std::string& place : expected) {
        BOOST_TEST(std::count(places.begin(), places.end(), place) >= 1, place);
    }
    BOOST_TEST(std::count(places.begin(), places.end(), "milter.toml:12:11") == 1);
}

BOOST_AUTO_TEST_CASE(what_is_no_toml_is_one_error) {
    const auto errors = errors_of("[milter\n");
    BOOST_REQUIRE(errors.size() == 1U);
    BOOST_TEST(errors.front().starts_with("milter.toml:1:8: "), errors.front());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace postbearer::milter
