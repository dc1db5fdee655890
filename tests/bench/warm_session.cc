// SPDX-License-Identifier: Apache-2.0

// A session of a warm smtp(8) process: from sasl_client_start to the response, through libsasl2 and
// the plugin as built, against the agent. The floor is an echo of the same bytes over a kept
// connection. What libsasl2 needs around it (new, dispose) is no part of the ratio; it is printed
// as a row of its own.

#include "tests/bench/bench_support.hh"
#include "tests/bench/exchange.hh"
#include "tests/bench/rig.hh"
#include "tests/bench/sasl_client.hh"
#include "tests/support/programs.hh"

namespace {

using namespace postbearer::bench;
using postbearer::test::Agent;
using postbearer::test::Programs;

/// A pair takes turns, so that a disturbance hits both; long enough that the first calls of a turn
/// stay far below one in a hundred.
constexpr int kTurns = 10;
constexpr int kPerTurn = 1000;

struct Samples {
    std::vector<double> response;
    std::vector<double> session;
    std::vector<double> echo;
};

Samples measure_pair(SaslClient& sasl, std::size_t answer_bytes, KeptConnection& echo,
                     const std::string& request) {
    using Clock = std::chrono::steady_clock;
    Samples samples;
    for (int turn = 0; turn < kTurns; ++turn) {
        for (int i = 0; i < kPerTurn; ++i) {
            const SaslClient::Times times = sasl.session(kTokenBytes * 9 / 10);
            samples.response.push_back(times.start_to_response_us);
            samples.session.push_back(times.whole_session_us);
        }
        for (int i = 0; i < kPerTurn; ++i) {
            const Clock::time_point begin = Clock::now();
            if (echo.exchange(request).size() != answer_bytes) {
                std::terminate();  // a fault of this program
            }
            const std::chrono::duration<double, std::micro> time = Clock::now() - begin;
            samples.echo.push_back(time.count());
        }
    }
    return samples;
}

struct Bench {
    Agent& agent;
    const EchoServer& echo_server;
    SaslClient& sasl;
    std::string request;
    std::size_t answer_bytes;
};

void measure(const Options& options, Report& report, const Bench& bench, Placement placement) {
    place(placement, {bench.agent.pid(), bench.echo_server.pid()});
    KeptConnection echo(bench.echo_server.socket());
    std::vector<double> ours50, ours99, floor50, floor99, around50;
    for (int pair = -1; pair < options.pairs; ++pair) {
        postbearer::test::write_file(bench.agent.log_path(), "");
        Samples samples = measure_pair(bench.sasl, bench.answer_bytes, echo, bench.request);
        if (pair < 0) {
            continue;  // warms both
        }
        ours50.push_back(percentile(samples.response, 0.50));
        ours99.push_back(percentile(samples.response, 0.99));
        floor50.push_back(percentile(samples.echo, 0.50));
        floor99.push_back(percentile(samples.echo, 0.99));
        around50.push_back(percentile(samples.session, 0.50) - ours50.back());
    }
    const bool one = placement == Placement::OneCpu;
    const std::string name = one ? "warm_session" : "warm_session_two_cpus";
    const std::string title = "warm session, start to response, " +
                              std::string(one ? "agent on our CPU, " : "agent on another CPU, ");
    report.add_ratio({.name = name + "_p50",
                      .title = title + "p50",
                      .value = {},
                      .unit = {},
                      .bound = Bound::AtMost,
                      .target = 1.5,
                      .sides_unit = "us"},
                     ours50, floor50);
    report.add_ratio({.name = name + "_p99",
                      .title = title + "p99",
                      .value = {},
                      .unit = {},
                      .bound = Bound::AtMost,
                      .target = 2.0,
                      .sides_unit = "us"},
                     ours99, floor99);
    report.add({.name = name + "_libsasl2",
                .title = "  libsasl2's own new and dispose, not in the above",
                .value = spread_of(around50),
                .unit = "us"});
}

void warm_session(const Options& options, Report& report) {
    const Rig rig;
    const Path socket = enter_queue_directory(rig / "queue");
    Agent agent(Programs::agent(), rig.agent_settings("agent", {"@contoso.test"}, socket));
    agent.start();
    const std::string request = plugin_request(kAccount);
    const std::size_t answer_bytes = KeptConnection(socket).exchange(request).size();
    const EchoServer echo_server(rig / "echo", answer_bytes);
    SaslClient sasl(postbearer::test::make_sasl_directory(rig / "sasl2"));
    const Bench bench{agent, echo_server, sasl, request, answer_bytes};
    if (has_two_cpus()) {
        measure(options, report, bench, Placement::TwoCpus);
    }
    measure(options, report, bench, Placement::OneCpu);
}

}  // namespace

int main(int argc, char** argv) { return bench_main(argc, argv, warm_session); }
