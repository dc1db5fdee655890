// SPDX-License-Identifier: Apache-2.0

// Tokens that the agent hands out per second to 1, 8 and 64 clients, each on a kept connection with
// one request under way; audit log on. The floor is an echo server on the same kind of loop. Where
// the load generator is the slower side the rates say little, so the CPU time that the servers need
// for an answer is printed as well.

#include "tests/bench/bench_support.hh"
#include "tests/bench/exchange.hh"
#include "tests/bench/rig.hh"
#include "tests/support/programs.hh"

namespace {

using namespace postbearer::bench;
using namespace std::chrono_literals;
using postbearer::test::Agent;
using postbearer::test::Programs;

constexpr int kTurns = 4;
constexpr auto kTurn = 100ms;

/// What one server did within one pair.
struct Work {
    std::uint64_t answers = 0;
    std::chrono::duration<double> time{};
    std::chrono::duration<double, std::micro> cpu{};

    void add(LoadClient& client, pid_t server) {
        const auto cpu_before = cpu_time_of(server);
        const LoadClient::Load load = client.run(kTurn);
        cpu += cpu_time_of(server) - cpu_before;
        answers += load.answers;
        time += load.time;
    }
    [[nodiscard]] double rate() const { return static_cast<double>(answers) / time.count(); }
    [[nodiscard]] double cpu_us() const { return cpu.count() / static_cast<double>(answers); }
};

void measure(const Options& options, Report& report, Agent& agent, const EchoServer& echo,
             std::size_t clients, std::size_t answer_bytes) {
    const std::vector<std::string> requests{plugin_request(kAccount)};
    LoadClient asking(agent.socket(), clients, requests, answer_bytes);
    LoadClient echoing(echo.socket(), clients, requests, answer_bytes);
    (void)asking.run(kTurn);
    (void)echoing.run(kTurn);
    std::vector<double> ours_rate, floor_rate, ours_cpu, floor_cpu;
    for (int pair = 0; pair < options.pairs; ++pair) {
        postbearer::test::write_file(agent.log_path(), "");
        Work ours;
        Work floor;
        for (int turn = 0; turn < kTurns; ++turn) {
            ours.add(asking, agent.pid());
            floor.add(echoing, echo.pid());
        }
        ours_rate.push_back(ours.rate());
        floor_rate.push_back(floor.rate());
        ours_cpu.push_back(ours.cpu_us());
        floor_cpu.push_back(floor.cpu_us());
    }
    const std::string count = std::to_string(clients);
    report.add_ratio({.name = "hand_outs_" + count,
                      .title = "hand-outs per second, " + count + " clients",
                      .value = {},
                      .unit = {},
                      .bound = Bound::AtLeast,
                      .target = 0.6,
                      .sides_unit = "/s"},
                     ours_rate, floor_rate);
    report.add_ratio({.name = "hand_outs_" + count + "_cpu",
                      .title = "  server CPU per answer, " + count + " clients",
                      .value = {},
                      .unit = {},
                      .sides_unit = "us"},
                     ours_cpu, floor_cpu);
}

void hand_outs(const Options& options, Report& report) {
    const Rig rig;
    Agent agent(Programs::agent(), rig.agent_settings("agent", {"@contoso.test"}));
    agent.start();
    const std::size_t answer_bytes =
        KeptConnection(agent.socket()).exchange(plugin_request(kAccount)).size();
    const EchoServer echo(rig / "echo", answer_bytes);
    // The load generator needs about as much CPU as the echo server: side by side, if there is
    // room.
    place(has_two_cpus() ? Placement::TwoCpus : Placement::OneCpu, {agent.pid(), echo.pid()});
    for (const std::size_t clients : {1U, 8U, 64U}) {
        measure(options, report, agent, echo, clients, answer_bytes);
    }
}

}  // namespace

int main(int argc, char** argv) { return bench_main(argc, argv, hand_outs); }
