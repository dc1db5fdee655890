// SPDX-License-Identifier: Apache-2.0

// CPU time, user and system, of the milter daemon for a message of 2 kB that goes the whole way:
// milter front, Postfix's queue, LMTP front, HTTPS to Graph. No clock is in it, so a busy machine
// changes it little. Rounds of 1000 messages; the front and the delivery are measured apart.

#include "tests/bench/bench_support.hh"
#include "tests/bench/graph_rig.hh"

namespace {

using namespace postbearer::bench;

constexpr std::size_t kMessages = 1000;
constexpr std::size_t kFewMessages = 300;
constexpr double kMicrosecondsOfMillisecond = 1000;

void graph_cpu(const Options& options, Report& report) {
    QueueRig rig;
    const std::size_t messages = options.amount(kMessages, kFewMessages);
    std::vector<double> both_ms, front_us, delivery_us, agent_us, rehearsal_us;
    for (int round = -1; round < options.pairs; ++round) {
        const QueueRig::Run run = rig.run(QueueRig::Way::Graph, messages);
        if (round >= 0) {
            front_us.push_back(run.submission.milter);
            delivery_us.push_back(run.delivery.milter);
            both_ms.push_back((run.submission.milter + run.delivery.milter) /
                              kMicrosecondsOfMillisecond);
            agent_us.push_back(run.submission.agent + run.delivery.agent);
            rehearsal_us.push_back(run.delivery.rehearsal);
        }
    }
    report.add({.name = "graph_cpu",
                .title = "CPU of the milter daemon for a message of 2 kB",
                .value = spread_of(both_ms),
                .unit = "ms",
                .bound = Bound::AtMost,
                .target = 1.0});
    report.add({.name = "graph_cpu_front",
                .title = "  of it the milter front",
                .value = spread_of(front_us),
                .unit = "us"});
    report.add({.name = "graph_cpu_delivery",
                .title = "  of it the LMTP front and HTTPS",
                .value = spread_of(delivery_us),
                .unit = "us"});
    report.add({.name = "graph_cpu_agent",
                .title = "  beside it the agent, per message",
                .value = spread_of(agent_us),
                .unit = "us"});
    report.add({.name = "graph_cpu_rehearsal",
                .title = "  and the far end, per message",
                .value = spread_of(rehearsal_us),
                .unit = "us"});
    rig.stop();
}

}  // namespace

int main(int argc, char** argv) { return bench_main(argc, argv, graph_cpu); }
