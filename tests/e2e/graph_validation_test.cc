// SPDX-License-Identifier: Apache-2.0
// What the product says to Graph, kept for Microsoft's own description of it to be held against.
#include <stdlib.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "tests/support/failure.hh"
#include "tests/support/graph_chain.hh"

namespace {

using namespace postbearer::test;

constexpr const char* kSender = "app@contoso.test";

BOOST_AUTO_TEST_SUITE(graph_validation_test)

/// tests/run hands them to tests/e2e/graph_validation, where a validator that is not ours judges
/// them: $POSTBEARER_RECORDED says where they shall lie.
BOOST_AUTO_TEST_CASE(requests_are_recorded) {
    GraphChain chain;
    chain.start();
    chain.rehearsal().set_graph_behaviour(R"({"record_requests":"yes"})");
    chain.submit(kSender, {"alice@example.test"}, "plain");
    chain.submit(kSender, {"alice@example.test", "bob@example.test"}, "two");
    const std::string hidden =
        chain.trusted().send(kSender, {"alice@example.test", "hidden@example.test"},
                             plain_message(kSender, {"alice@example.test"}, "hidden", "",
                                           std::string(100'000, 'x') + "\n"));
    BOOST_REQUIRE(hidden.starts_with("250"));
    chain.client().wait_until_empty();
    BOOST_TEST(chain.rehearsal().accepted() == 3U);
    const Path requests = chain.directory() / "rehearsal/graph/requests.jsonl";
    BOOST_REQUIRE(std::filesystem::exists(requests));
    BOOST_TEST(split_lines(read_file(requests)).size() == 3U);
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
    if (const char* wanted = ::getenv("POSTBEARER_RECORDED"); wanted != nullptr) {
        std::filesystem::copy_file(requests, wanted,
                                   std::filesystem::copy_options::overwrite_existing);
    }
    chain.stop();
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
