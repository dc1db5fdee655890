// SPDX-License-Identifier: Apache-2.0

// A hand-out with 1,000 and 100,000 exact [[account]] rules against one with 10, each time for an
// account picked at random; and how long an agent with 100,000 needs from exec to its first pong.

#include <random>
#include <thread>

#include "tests/bench/bench_support.hh"
#include "tests/bench/exchange.hh"
#include "tests/bench/rig.hh"
#include "tests/support/failure.hh"
#include "tests/support/programs.hh"

namespace {

using namespace postbearer::bench;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using postbearer::test::Agent;
using postbearer::test::Process;
using postbearer::test::Programs;

constexpr std::size_t kFew = 10;
constexpr std::size_t kMany = 100'000;
constexpr int kTurns = 10;
constexpr std::size_t kPerTurn = 1000;
constexpr int kMostStarts = 9;
constexpr auto kPollInterval = 1ms;  // of 20 ms at the least

std::vector<std::string> accounts(std::size_t count) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < count; ++i) {
        const std::string number = std::to_string(i);
        names.push_back("user" + std::string(6 - number.size(), '0') + number + "@contoso.test");
    }
    return names;
}

/// The same number of requests whatever `count`, so that our own cache use is the same.
std::vector<std::string> random_requests(std::size_t count) {
    std::minstd_rand generator(1);
    const std::vector<std::string> names = accounts(count);
    std::vector<std::string> requests;
    for (std::size_t i = 0; i < kPerTurn * kTurns; ++i) {
        requests.push_back(plugin_request(names[generator() % count]));
    }
    return requests;
}

/// An agent with so many accounts, and a client of it.
struct Side {
    Side(const Rig& rig, std::size_t count)
        : agent(Programs::agent(),
                rig.agent_settings("agent" + std::to_string(count), accounts(count))),
          requests(random_requests(count)) {
        agent.start();
        client = std::make_unique<KeptConnection>(agent.socket());
        (void)client->exchange(requests.front());
    }

    void turn(int number, std::vector<double>& times_us) {
        for (std::size_t i = 0; i < kPerTurn; ++i) {
            const std::string& request = requests[static_cast<std::size_t>(number) * kPerTurn + i];
            const Clock::time_point begin = Clock::now();
            const std::string_view answer = client->exchange(request);
            const std::chrono::duration<double, std::micro> time = Clock::now() - begin;
            if (!answer.starts_with("status=ok\n")) {
                postbearer::test::fail("the agent answered: " + std::string(answer.substr(0, 200)));
            }
            times_us.push_back(time.count());
        }
    }

    Agent agent;
    std::vector<std::string> requests;
    std::unique_ptr<KeptConnection> client;
};

void compare(const Options& options, Report& report, Side& few, Side& side, std::size_t count) {
    // On one CPU: no wake-up across CPUs hides what the agent does.
    place(Placement::OneCpu, {few.agent.pid(), side.agent.pid()});
    std::vector<double> ours, floor;
    for (int pair = -1; pair < options.pairs; ++pair) {
        std::vector<double> side_us, few_us;
        for (int turn = 0; turn < kTurns; ++turn) {
            side.turn(turn, side_us);
            few.turn(turn, few_us);
        }
        if (pair >= 0) {
            ours.push_back(percentile(side_us, 0.50));
            floor.push_back(percentile(few_us, 0.50));
        }
        postbearer::test::write_file(few.agent.log_path(), "");
        postbearer::test::write_file(side.agent.log_path(), "");
    }
    const std::string number = std::to_string(count);
    report.add_ratio({.name = "accounts_" + number + "_p50",
                      .title = "hand-out p50, " + number + " accounts against 10",
                      .value = {},
                      .unit = {},
                      .bound = Bound::AtMost,
                      .target = 1.2,
                      .sides_unit = "us"},
                     ours, floor);
}

/// From exec to a pong.
double start_seconds(const Agent& agent) {
    const Clock::time_point begin = Clock::now();
    Process process({.argv = {Programs::agent(), "--config", agent.configuration()},
                     .output_file = agent.log_path()});
    while (!postbearer::test::takes_connections(agent.socket())) {
        if (!process.running() || Clock::now() - begin > 60s) {
            postbearer::test::fail("the agent did not start:\n" +
                                   postbearer::test::tail(agent.log_path()));
        }
        std::this_thread::sleep_for(kPollInterval);
    }
    (void)KeptConnection(agent.socket()).exchange("request=ping\n\n");
    const std::chrono::duration<double> time = Clock::now() - begin;
    (void)process.stop(20s);
    return time.count();
}

void measure_start(const Options& options, Report& report, const Rig& rig) {
    const Agent few(Programs::agent(), rig.agent_settings("start10", accounts(kFew)));
    const Agent many(Programs::agent(), rig.agent_settings("start100000", accounts(kMany)));
    few.write_configuration();
    many.write_configuration();
    std::vector<double> few_s, many_s;
    for (int pair = 0; pair < std::min(options.pairs, kMostStarts); ++pair) {
        few_s.push_back(start_seconds(few));
        many_s.push_back(start_seconds(many));
    }
    report.add({.name = "start_100000",
                .title = "agent start, 100000 accounts, exec to pong",
                .value = spread_of(many_s),
                .unit = "s",
                .bound = Bound::AtMost,
                .target = 2});
    report.add({.name = "start_10",
                .title = "  the same with 10 accounts",
                .value = spread_of(few_s),
                .unit = "s"});
}

void many_accounts(const Options& options, Report& report) {
    const Rig rig;
    measure_start(options, report, rig);  // first, while nothing is pinned
    {
        Side few(rig, kFew);
        for (const std::size_t count : {std::size_t{1000}, kMany}) {
            Side side(rig, count);
            compare(options, report, few, side, count);
        }
    }
}

}  // namespace

int main(int argc, char** argv) { return bench_main(argc, argv, many_accounts); }
