// SPDX-License-Identifier: Apache-2.0
#include "tests/e2e/graph_ends.hh"

#include <boost/test/unit_test.hpp>

#include "tests/support/failure.hh"

namespace postbearer::test {
namespace {

std::size_t sum(const Copies& copies) {
    std::size_t all = 0;
    for (const auto& [recipient, count] : copies) {
        all += count;
    }
    return all;
}

void check_mailboxes(const char* end, const Mailboxes& mailboxes, const Copies& wanted) {
    for (const auto& [recipient, count] : wanted) {
        BOOST_TEST(mailboxes.count(recipient) == count, end << " has " << mailboxes.count(recipient)
                                                            << " copies for " << recipient
                                                            << ", not " << count);
    }
    BOOST_TEST(mailboxes.total() == sum(wanted),
               end << " has " << mailboxes.total() << " copies for everybody, not " << sum(wanted));
}

}  // namespace

Copies graph_copies(const Rehearsal& rehearsal) {
    Copies copies;
    for (const Json::Value& each : rehearsal.deliveries()) {
        copies[each["recipient"].asString()] += each["count"].asUInt64();
    }
    return copies;
}

void check_ends(GraphChain& chain, const Ends& ends) {
    chain.client().wait_until_empty();
    chain.relay().postfix().wait_until_empty();
    const Copies graph = graph_copies(chain.rehearsal());
    for (const auto& [recipient, count] : ends.graph) {
        const auto found = graph.find(recipient);
        const std::size_t had = found == graph.end() ? 0 : found->second;
        BOOST_TEST(had == count,
                   "Graph delivered " << had << " copies to " << recipient << ", not " << count);
    }
    BOOST_TEST(sum(graph) == sum(ends.graph));
    check_mailboxes("the relay", chain.relayed(), ends.relayed);
    check_mailboxes("this host", chain.kept(), ends.kept);
}

void start_prepared(GraphChain& chain) {
    chain.relay().start();
    chain.agent().start();
    chain.client().start();
    chain.milter().start();
}

std::string only_line(const LogWatch& log, const std::string& pattern) {
    (void)log.wait_for(pattern);
    const std::vector<std::string> lines = log.lines(pattern);
    BOOST_REQUIRE_MESSAGE(lines.size() == 1U, lines.size() << " lines match " << pattern);
    return lines.front();
}

std::string value_of(const std::string& line, const std::string& key) {
    const std::size_t at = line.find(' ' + key + '=');
    if (at == std::string::npos) {
        return {};
    }
    const std::size_t begin = at + key.size() + 2;
    if (begin < line.size() && line[begin] == '"') {
        return line.substr(begin + 1, line.find('"', begin + 1) - begin - 1);
    }
    return line.substr(begin, line.find(' ', begin) - begin);
}

std::string last_raw(const Rehearsal& rehearsal) {
    return rehearsal.raw_message(rehearsal.accepted());
}

std::string body_of(const std::string& raw) {
    const std::size_t end = raw.find("\r\n\r\n");
    if (end == std::string::npos) {
        fail("no empty line in what Graph got");
    }
    return raw.substr(end + 4);
}

std::string with_crlf(const std::string& text) {
    std::string out;
    char before = '\0';
    for (const char c : text) {
        if (c == '\n' && before != '\r') {
            out += '\r';
        }
        out += c;
        before = c;
    }
    return out;
}

}  // namespace postbearer::test
