// SPDX-License-Identifier: Apache-2.0
// Much mail at once by the Graph route: nothing lost, nothing doubled, and never more requests for
// one mailbox than Microsoft allows. POSTBEARER_LOAD=small is for daemons built with a sanitizer.
#include <boost/test/unit_test.hpp>
#include <set>

#include "tests/e2e/graph_rig.hh"

using namespace postbearer::test;

namespace {

using std::chrono::seconds;

constexpr std::size_t kConcurrency = 3;  // [graph] concurrency

/// plain_message() counts; this one is for threads.
std::string numbered_message(const std::string& from, const std::string& to,
                             const std::string& subject, std::size_t number) {
    return "From: " + from + "\nTo: " + to + "\nSubject: " + subject +
           "\nDate: Sat, 21 Nov 2026 08:00:00 +0000\nMessage-ID: <load." + std::to_string(number) +
           "@contoso.test>\n\nOne of many.\n";
}

void check_no_trouble(GraphChain& chain) {
    BOOST_TEST(chain.client().log().count("status=bounced") == 0U);
    BOOST_TEST(chain.rehearsal().counter("graph_max_in_flight_per_mailbox") <= kConcurrency);
    BOOST_TEST(chain.milter().log().count("event=(in_doubt|internal_error|lmtp_session_failed)") ==
               0U);
}

std::set<std::string> message_ids(const Rehearsal& rehearsal) {
    std::set<std::string> ids;
    for (const Json::Value& delivery : rehearsal.deliveries()) {
        BOOST_TEST(delivery["count"].asUInt64() == 1U);
        ids.insert(delivery["message_id"].asString());
    }
    return ids;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(graph_load_test)

BOOST_AUTO_TEST_CASE(twenty_messages_on_one_connection) {
    GraphChain chain;
    chain.start();
    Account account(chain);
    const std::vector<std::string> recipients{"alice@example.test", "bob@example.test"};
    Dialogue session = chain.trusted();
    for (int i = 1; i <= 20; ++i) {
        const std::string subject = "steady " + std::to_string(i);
        expect_taken(session.send("app@contoso.test", recipients,
                                  plain_message("app@contoso.test", recipients, subject)));
        account.at_graph(subject, recipients);
    }
    session.expect("QUIT", "221");
    account.check();
    check_no_trouble(chain);
    BOOST_TEST(chain.client().log().count("status=deferred") == 0U);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(fifty_concurrent_connections) {
    constexpr std::size_t kConnections = 50;
    constexpr std::size_t kEach = 6;
    GraphChain chain;
    chain.start();
    Account account(chain);
    in_parallel(kConnections, [&](std::size_t connection) {
        Dialogue session = chain.trusted();
        for (std::size_t i = 0; i < kEach; ++i) {
            const std::string from = "app" + std::to_string(i) + "@contoso.test";
            const std::size_t number = connection * kEach + i;
            expect_taken(session.send(from, {"alice@example.test"},
                                      numbered_message(from, "alice@example.test",
                                                       "crowd " + std::to_string(number), number)));
        }
        session.expect("QUIT", "221");
    });
    for (std::size_t number = 0; number < kConnections * kEach; ++number) {
        account.at_graph("crowd " + std::to_string(number), {"alice@example.test"});
    }
    account.check();
    check_no_trouble(chain);
    BOOST_TEST(message_ids(chain.rehearsal()).size() == kConnections * kEach);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(five_thousand_messages_over_fifty_mailboxes) {
    constexpr std::size_t kMailboxes = 50;
    const std::size_t each = small_load() ? 10 : 100;
    const std::size_t all = kMailboxes * each;
    GraphChain chain;
    chain.start();
    (void)chain.rehearsal().behave(
        R"({"endpoint":"sendmail","times":-1,"do":{"kind":"latency","ms":200}})");
    Account account(chain);
    const Stopwatch watch;
    in_parallel(kMailboxes, [&](std::size_t mailbox) {
        Dialogue session = chain.trusted();
        const std::string from = "app" + std::to_string(mailbox) + "@contoso.test";
        for (std::size_t number = mailbox * each; number < (mailbox + 1) * each; ++number) {
            const std::string to = "reader" + std::to_string(number % 7) + "@example.test";
            expect_taken(session.send(
                from, {to}, numbered_message(from, to, "load " + std::to_string(number), number)));
        }
    });
    const auto submitted = watch.elapsed();
    for (std::size_t number = 0; number < all; ++number) {
        account.at_graph("load " + std::to_string(number),
                         {"reader" + std::to_string(number % 7) + "@example.test"});
    }
    chain.client().wait_until_empty(seconds(small_load() ? 300 : 180));
    const auto elapsed = watch.elapsed();
    BOOST_TEST(elapsed.count() <= 180'000);
    account.check();
    check_no_trouble(chain);
    BOOST_TEST(message_ids(chain.rehearsal()).size() == all);
    const std::size_t deferred = chain.client().log().count("status=deferred");
    BOOST_TEST_MESSAGE(all << " messages in " << elapsed.count() << " ms (submitted in "
                           << submitted.count()
                           << " ms): " << 1000 * all / static_cast<std::size_t>(elapsed.count())
                           << " messages/s, " << deferred << " deferrals, at most "
                           << chain.rehearsal().counter("graph_max_in_flight_per_mailbox")
                           << " requests at once for a mailbox");
    chain.stop();
}

BOOST_AUTO_TEST_SUITE_END()
