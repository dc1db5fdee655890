// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/command_line.hh"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

using postbearer::cli::Options;
using postbearer::cli::parse_options;

namespace {

struct Parsed {
    bool good = false;
    Options options;
};

Parsed parse(std::vector<std::string> words) {
    std::vector<char*> pointers;
    for (std::string& word : words) {
        pointers.push_back(word.data());
    }
    pointers.push_back(nullptr);
    Parsed out;
    out.good = parse_options(static_cast<int>(words.size()), pointers.data(), out.options);
    return out;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(command_line_test)

BOOST_AUTO_TEST_CASE(options_of_a_login) {
    const Parsed parsed =
        parse({"login", "--browser", "alice@contoso.com", "--port", "8400", "--resource", "smtp",
               "--resource=imap", "--accept-user", "--json", "--config", "/x/agent.toml"});
    BOOST_TEST(parsed.good);
    BOOST_TEST(parsed.options.flow == "browser");
    BOOST_TEST(parsed.options.port == 8400);
    BOOST_TEST(parsed.options.resources == (std::vector<std::string>{"smtp", "imap"}),
               boost::test_tools::per_element());
    BOOST_TEST(parsed.options.accept_user);
    BOOST_TEST(parsed.options.json);
    BOOST_TEST(parsed.options.config == "/x/agent.toml");
    BOOST_TEST(parsed.options.arguments == std::vector<std::string>{"alice@contoso.com"},
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(two_flows_exclude_each_other) {
    BOOST_TEST(!parse({"login", "a", "--device", "--paste"}).good);
    BOOST_TEST(parse({"login", "a", "--device", "--device"}).good);
}

BOOST_AUTO_TEST_CASE(ports_are_checked) {
    for (const char* const port : {"0", "65536", "", "80x", "-1"}) {
        BOOST_TEST(!parse({"login", "a", "--port", port}).good, port);
    }
    BOOST_TEST(parse({"login", "a", "--port", "65535"}).options.port == 65535);
}

BOOST_AUTO_TEST_CASE(unknown_options_and_durations_are_refused) {
    BOOST_TEST(!parse({"login", "a", "--nonsense"}).good);
    BOOST_TEST(!parse({"refresh", "--all", "--expiring-within", "soon"}).good);
    BOOST_TEST(parse({"refresh", "--all", "--expiring-within", "7d"})
                   .options.expiring_within.value_or(0) == 7 * 86'400);
}

BOOST_AUTO_TEST_CASE(no_passphrase_is_taken_from_the_command_line) {
    BOOST_TEST(!parse({"export", "f", "--passphrase", "x"}).good);
    BOOST_TEST(parse({"export", "f", "--passphrase-file", "/p"}).options.passphrase_file == "/p");
}

BOOST_AUTO_TEST_CASE(options_of_other_verbs_are_found) {
    constexpr const char* kUsage = "ACCOUNT | --all [--expiring-within 7d] [--passphrase-file F]";
    const auto foreign = [](std::vector<std::string> words) {
        words.insert(words.begin(), "verb");
        const Parsed parsed = parse(words);
        BOOST_TEST(parsed.good);
        return std::string(
            postbearer::cli::foreign_option(kUsage, parsed.options).value_or("none"));
    };
    BOOST_TEST(foreign({}) == "none");
    BOOST_TEST(foreign({"--all", "--expiring-within=7d", "--config", "/x", "--help"}) == "none");
    BOOST_TEST(foreign({"-h", "a"}) == "none");
    BOOST_TEST(foreign({"a", "--dry-run"}) == "dry-run");
    BOOST_TEST(foreign({"--all", "--resource", "graph"}) == "resource");
    BOOST_TEST(foreign({"--acco", "x"}) == "account");  // cut short; "--all" is something else
}

BOOST_AUTO_TEST_SUITE_END()
