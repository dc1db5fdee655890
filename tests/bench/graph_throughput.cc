// SPDX-License-Identifier: Apache-2.0

// Messages of 2 kB per second from Postfix's queue through the daemon to a Graph that answers at
// once, against the same Postfix delivering to an LMTP sink. Ours have passed the milter front and
// carry its routing header; the floor's transport is chosen by content_filter, so that the queue
// manager does the same for both. TLS, the rehearsal's work included, is on our side alone.

#include <array>

#include "tests/bench/bench_support.hh"
#include "tests/bench/graph_rig.hh"

namespace {

using namespace postbearer::bench;

constexpr std::size_t kMessages = 1000;
constexpr std::size_t kFewMessages = 200;

void graph_throughput(const Options& options, Report& report) {
    QueueRig rig;
    const std::size_t messages = options.amount(kMessages, kFewMessages);
    std::vector<double> ours, floor, milter_us, rehearsal_us;
    for (int pair = -1; pair < options.pairs; ++pair) {
        const QueueRig::Run graph = rig.run(QueueRig::Way::Graph, messages);
        const QueueRig::Run sink = rig.run(QueueRig::Way::Sink, messages);
        if (pair >= 0) {
            ours.push_back(graph.rate);
            floor.push_back(sink.rate);
            milter_us.push_back(graph.delivery.milter);
            rehearsal_us.push_back(graph.delivery.rehearsal);
        }
    }
    report.add_ratio({.name = "graph_throughput",
                      .title = std::to_string(messages) +
                               " messages through Postfix, Graph against an LMTP sink",
                      .value = {},
                      .unit = {},
                      .bound = Bound::AtLeast,
                      .target = 0.7,
                      .sides_unit = "/s"},
                     ours, floor);
    report.add({.name = "graph_throughput_milter_cpu",
                .title = "  of it CPU of the LMTP front and of HTTPS, per message",
                .value = spread_of(milter_us),
                .unit = "us"});
    report.add({.name = "graph_throughput_rehearsal_cpu",
                .title = "  and CPU of the far end, which is no part of ours, per message",
                .value = spread_of(rehearsal_us),
                .unit = "us"});
    rig.stop();
}

}  // namespace

int main(int argc, char** argv) { return bench_main(argc, argv, graph_throughput); }
