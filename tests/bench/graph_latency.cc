// SPDX-License-Identifier: Apache-2.0

// Messages per second while each answer of Graph takes 200 ms: 50 mailboxes with three requests at
// a time make 750 per second, and that computed limit is the floor. 200 connections to the LMTP
// front behave as 200 lmtp(8) processes; the same through Postfix's queue stands beside it.

#include "tests/bench/bench_support.hh"
#include "tests/bench/graph_rig.hh"
#include "tests/support/failure.hh"

namespace {

using namespace postbearer::bench;
using namespace postbearer::test;

constexpr std::size_t kMessages = 2250;
constexpr std::size_t kFewMessages = 750;
constexpr std::size_t kConnections = 200;
constexpr int kRoundsByQueue = 3;
constexpr std::size_t kSlots = 3;  // [graph] concurrency
constexpr double kHundred = 100;
constexpr double kLatency = 0.2;
constexpr double kLimit = static_cast<double>(kMailboxes * kSlots) / kLatency;
constexpr const char* kSlow =
    R"({"endpoint":"sendmail","times":-1,"do":{"kind":"latency","ms":200}})";

double straight(GraphChain& chain, std::size_t messages) {
    const std::uint64_t before = chain.rehearsal().accepted();
    const auto begin = std::chrono::steady_clock::now();
    hand_in(
        {.messages = messages, .connections = kConnections, .mailboxes = kMailboxes, .lmtp = true},
        [&chain] { return Dialogue::unix_socket(chain.lmtp_socket()); });
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    if (chain.rehearsal().accepted() - before != messages) {
        fail("Graph has not taken what was answered 250");
    }
    check_no_copies(chain.rehearsal());
    return static_cast<double>(messages) / time.count();
}

void add(Report& report, const char* name, const char* title, const std::vector<double>& rates,
         Bound bound) {
    report.add_ratio({.name = name,
                      .title = title,
                      .value = {},
                      .unit = {},
                      .bound = bound,
                      .target = 0.9,
                      .sides_unit = "/s"},
                     rates, std::vector<double>(rates.size(), kLimit));
}

void graph_latency(const Options& options, Report& report) {
    QueueRig rig;
    GraphChain& chain = rig.chain();
    const std::size_t messages = options.amount(kMessages, kFewMessages);
    (void)straight(chain, kConnections);
    (void)chain.rehearsal().behave(kSlow);
    std::vector<double> direct, queued;
    std::uint64_t connections = 0;
    for (int round = -1; round < options.pairs; ++round) {
        if (round == 0) {
            connections = chain.rehearsal().counter("connections");
        }
        const double rate = straight(chain, messages);
        if (round >= 0) {
            direct.push_back(rate);
        }
    }
    connections = chain.rehearsal().counter("connections") - connections;
    // Last: Postfix's lmtp(8) keep their sessions for a while, and the front has 250.
    for (int round = 0; round < options.at_most(kRoundsByQueue); ++round) {
        queued.push_back(rig.run(QueueRig::Way::Graph, messages).rate);
    }
    if (chain.rehearsal().counter("graph_max_in_flight_per_mailbox") > kSlots) {
        fail("more requests at a time for a mailbox than configured");
    }
    add(report, "graph_latency", "messages at 200 ms, 50 mailboxes, 200 connections, against 750/s",
        direct, Bound::AtLeast);
    add(report, "graph_latency_queue", "  the same through Postfix's queue", queued, Bound::None);
    const auto count = static_cast<double>(messages) * options.pairs;
    report.add({.name = "graph_latency_connections",
                .title = "  connections to Graph made anew for 100 messages",
                .value = spread_of({static_cast<double>(connections) * kHundred / count}),
                .unit = "/100",
                .bound = Bound::AtMost,
                .target = 2});
    rig.stop();
}

}  // namespace

int main(int argc, char** argv) { return bench_main(argc, argv, graph_latency); }
