// SPDX-License-Identifier: Apache-2.0

// What the plugin adds to a process of its own kind: smtp(8) lives for at most 100 deliveries, so
// loading is paid often. Each measurement is a fresh child (fresh_child.cc), once with an empty
// plugin directory and once with the plugin in it; with libstdc++ mapped before, as smtp(8) has it
// through libicuuc, and without.

#include <sstream>

#include "tests/bench/bench_support.hh"
#include "tests/bench/exchange.hh"
#include "tests/bench/rig.hh"
#include "tests/bench/sasl_client.hh"
#include "tests/support/failure.hh"
#include "tests/support/programs.hh"

namespace {

using namespace postbearer::bench;
using postbearer::test::Agent;
using postbearer::test::Programs;

struct Fresh {
    double init_us = 0;
    double first_us = 0;
    double objects = 0;
    double private_kb = 0;
};

Fresh run_child(const Path& modules, bool with_libstdcxx, std::size_t least_bytes) {
    postbearer::test::Command command{
        .argv = {sibling("bench-fresh-child"), kAccount, kHost, std::to_string(least_bytes)},
        .environment = {{"SASL_PATH", modules}}};
    if (with_libstdcxx) {
        command.environment["LD_PRELOAD"] = "libstdc++.so.6";
    }
    if (const char* socket = ::getenv("POSTBEARER_SOCKET")) {  // NOLINT(concurrency-mt-unsafe)
        command.environment["POSTBEARER_SOCKET"] = socket;
    }
    std::istringstream output(run_ok(std::move(command)));
    Fresh fresh;
    if (!(output >> fresh.init_us >> fresh.first_us >> fresh.objects >> fresh.private_kb)) {
        postbearer::test::fail("the fresh child printed: " + output.str());
    }
    return fresh;
}

struct Added {
    std::vector<double> time_ms;
    std::vector<double> load_us;
    std::vector<double> first_us;
    std::vector<double> objects;
    std::vector<double> private_kb;
};

Added measure(int pairs, const Path& empty, const Path& modules, bool with_libstdcxx) {
    Added added;
    for (int pair = -1; pair < pairs; ++pair) {
        const Fresh without = run_child(empty, with_libstdcxx, 0);
        const Fresh with = run_child(modules, with_libstdcxx, kTokenBytes * 9 / 10);
        if (pair < 0) {
            continue;  // fills the page cache
        }
        added.load_us.push_back(with.init_us - without.init_us);
        added.first_us.push_back(with.first_us);
        added.time_ms.push_back((added.load_us.back() + with.first_us) / 1000);
        added.objects.push_back(with.objects - without.objects);
        added.private_kb.push_back(with.private_kb - without.private_kb);
    }
    return added;
}

void add_rows(Report& report, const Added& added, const std::string& prefix,
              const std::string& title, bool with_targets) {
    const Bound bound = with_targets ? Bound::AtMost : Bound::None;
    const auto row = [&](const char* name, const char* what, const std::vector<double>& values,
                         const char* unit, Bound its_bound, double target) {
        report.add({.name = prefix + name,
                    .title = title + what,
                    .value = spread_of(values),
                    .unit = unit,
                    .bound = its_bound,
                    .target = target});
    };
    row("_total", "load + first token", added.time_ms, "ms", bound, 1);
    row("_load", "  of it loading", added.load_us, "us", Bound::None, 0);
    row("_first", "  of it the first token", added.first_us, "us", Bound::None, 0);
    row("_objects", "shared objects", added.objects, "objects", bound, 4);
    row("_private", "private memory", added.private_kb, "kB", bound, 400);
}

void fresh_process(const Options& options, Report& report) {
    const Rig rig;
    const Path socket = enter_queue_directory(rig / "queue");
    Agent agent(Programs::agent(), rig.agent_settings("agent", {"@contoso.test"}, socket));
    agent.start();
    (void)KeptConnection(socket).exchange(plugin_request(kAccount));  // the agent has its token
    const Path empty = rig / "no-modules";
    postbearer::test::make_directory(empty);
    const Path modules = postbearer::test::make_sasl_directory(rig / "sasl2");
    add_rows(report, measure(options.pairs, empty, modules, true), "fresh_process",
             "fresh process: ", true);
    add_rows(report, measure(options.pairs, empty, modules, false), "fresh_process_bare",
             "fresh process without libstdc++: ", false);
}

}  // namespace

int main(int argc, char** argv) { return bench_main(argc, argv, fresh_process); }
