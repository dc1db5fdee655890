// SPDX-License-Identifier: Apache-2.0

// The most memory a fresh daemon has had (VmHWM, files and libraries included) after 100
// transactions of 2 kB at once, and after 16 of 2.9 MB. Graph answers late, so that all of them are
// in flight together, which is checked; then each gets its 250.

#include <atomic>
#include <thread>

#include "tests/bench/bench_support.hh"
#include "tests/bench/graph_rig.hh"
#include "tests/support/failure.hh"

namespace {

using namespace postbearer::bench;
using namespace postbearer::test;
using namespace std::chrono_literals;

constexpr int kRounds = 3;
constexpr auto kPollInterval = 5ms;
constexpr double kKilobytesOfMegabyte = 1024;

struct Kind {
    const char* name;
    const char* title;
    std::size_t transactions;
    std::size_t bytes;
    int latency_ms;  // longer than all of them need to come
    double target_mb;
};
constexpr Kind kKinds[] = {
    {"graph_memory_small", "memory of the daemon, 100 transactions of 2 kB at once", 100, 2048,
     2000, 32},
    {"graph_memory_large", "memory of the daemon, 16 transactions of 2.9 MB at once", 16, 2'900'000,
     5000, 64}};

struct Peak {
    double all_mb = 0;
    double anonymous_mb = 0;
};

Peak measure(GraphChain& chain, const Kind& kind) {
    const Rehearsal& rehearsal = chain.rehearsal();
    chain.milter().start();
    (void)rehearsal.behave(R"({"endpoint":"sendmail","times":-1,"do":{"kind":"latency","ms":)" +
                           std::to_string(kind.latency_ms) + "}}");
    const std::uint64_t before = rehearsal.accepted();
    std::atomic<bool> over{false};
    std::exception_ptr failure;
    std::thread clients([&] {
        try {
            hand_in({.messages = kind.transactions,
                     .connections = kind.transactions,
                     .mailboxes = kMailboxes,
                     .bytes = kind.bytes,
                     .lmtp = true},
                    [&chain] { return Dialogue::unix_socket(chain.lmtp_socket()); });
        } catch (...) {
            failure = std::current_exception();
        }
        over = true;
    });
    std::size_t anonymous = 0, together = 0;
    while (!over) {
        anonymous = std::max(anonymous, memory_kb(chain.milter().pid(), "RssAnon"));
        together = std::max<std::size_t>(together, rehearsal.counter("graph_in_flight"));
        std::this_thread::sleep_for(kPollInterval);
    }
    clients.join();
    if (failure) {
        std::rethrow_exception(failure);
    }
    const std::size_t peak = memory_kb(chain.milter().pid(), "VmHWM");
    if (together < kind.transactions || rehearsal.accepted() - before != kind.transactions) {
        fail("only " + std::to_string(together) + " transactions at once");
    }
    check_no_copies(rehearsal);
    rehearsal.forget_behaviours();
    chain.milter().stop();
    return {static_cast<double>(peak) / kKilobytesOfMegabyte,
            static_cast<double>(anonymous) / kKilobytesOfMegabyte};
}

void graph_memory(const Options& options, Report& report) {
    const auto chain = load_chain();  // no Postfix runs
    chain->agent().start();
    for (const Kind& kind : kKinds) {
        std::vector<double> all, anonymous;
        for (int round = 0; round < options.at_most(kRounds); ++round) {
            const Peak peak = measure(*chain, kind);
            all.push_back(peak.all_mb);
            anonymous.push_back(peak.anonymous_mb);
        }
        report.add({.name = kind.name,
                    .title = kind.title,
                    .value = spread_of(all),
                    .unit = "MB",
                    .bound = Bound::AtMost,
                    .target = kind.target_mb});
        report.add({.name = std::string(kind.name) + "_anonymous",
                    .title = "  of it its own (RssAnon)",
                    .value = spread_of(anonymous),
                    .unit = "MB"});
    }
    chain->agent().stop();
}

}  // namespace

int main(int argc, char** argv) { return bench_main(argc, argv, graph_memory); }
