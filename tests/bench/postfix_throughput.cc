// SPDX-License-Identifier: Apache-2.0

// Messages per second from one Postfix to another over TLS, each in a session of its own: with
// XOAUTH2 through the plugin and the agent against PLAIN. Client, server, queue, message and judge
// are the same; the two are transports of one client Postfix that differ in mechanism and password
// map. The messages wait on hold until all are there, so that only deliveries are timed, from the
// flush to the last 250. The far end throws them away.

#include <array>
#include <thread>

#include "tests/bench/bench_support.hh"
#include "tests/bench/log_count.hh"
#include "tests/bench/rig.hh"
#include "tests/support/chain.hh"
#include "tests/support/failure.hh"
#include "tests/support/port.hh"

namespace {

using namespace postbearer::bench;
using namespace postbearer::test;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMessages = 1000;
constexpr const char* kPassword = "hunter2";
constexpr auto kLongestRun = 120s;
constexpr auto kPollInterval = 2ms;  // of seconds

struct Way {
    const char* transport;
    const char* mechanism;
    std::string domain;
};
const std::array<Way, 2> kWays{
    {{"oauth", "xoauth2", "oauth.test"}, {"plain", "plain", "plain.test"}}};

std::vector<double> differences(const std::vector<double>& a, const std::vector<double>& b) {
    std::vector<double> result;
    for (std::size_t i = 0; i < a.size(); ++i) {
        result.push_back(a[i] - b[i]);
    }
    return result;
}

ChainSettings settings(std::uint16_t submission_port) {
    ChainSettings settings;
    settings.sasl_modules = {"libplain.so"};
    settings.server_main = {{"virtual_transport", "discard:"}};
    settings.client_main = {
        {"transport_maps", "inline:{oauth.test=oauth:$relayhost plain.test=plain:$relayhost}"},
        // Tenders of a queue that nobody else may touch while we measure.
        {"queue_run_delay", "3600s"},
        {"minimal_backoff_time", "3600s"},
        {"maximal_backoff_time", "3600s"}};
    settings.client_services = {
        "127.0.0.1:" + std::to_string(submission_port) + " inet n - n - - smtpd" +
            " -o smtpd_client_restrictions=check_client_access,static:hold",
    };
    for (const Way& way : kWays) {
        settings.client_services.push_back(
            std::string(way.transport) + " unix - - y - - smtp -o smtp_sasl_mechanism_filter=" +
            way.mechanism + " -o smtp_sasl_password_maps=$" + way.transport + "_passwords");
        settings.client_main.emplace(
            std::string(way.transport) + "_destination_concurrency_failed_cohort_limit", "0");
    }
    return settings;
}

void give_passwords(Chain& chain) {
    chain.rehearsal().set_auth_policy(R"({"mechanisms":["XOAUTH2","OAUTHBEARER","PLAIN"],)"
                                      R"("passwords":{")" +
                                      std::string(kRelayAccount) + R"(":")" + kPassword + "\"}}");
    const Path etc = chain.client().configuration();
    const std::string who = chain.server().nexthop() + " " + kRelayAccount;
    write_file(etc / "oauth_passwords", who + "\n", 0600);
    write_file(etc / "plain_passwords", who + ":" + kPassword + "\n", 0600);
    for (const Way& way : kWays) {
        const std::string name = std::string(way.transport) + "_passwords";
        chain.client().set(name, "texthash:" + (etc / name).string());
    }
    chain.client().reload();
}

/// One run of one way.
struct Run {
    double rate = 0;      // messages per second
    double agent_us = 0;  // CPU time per message
    double judge_us = 0;  // the same of the rehearsal, which verifies tokens and passwords
};

Run measure(Chain& chain, pid_t judge, const Way& way, std::uint16_t submission_port) {
    const std::string configuration = chain.client().configuration();
    const Path log = chain.client().log_path();
    LogCount held(log);
    (void)run_ok({.argv = {"smtp-source", "-s", "4", "-m", std::to_string(kMessages), "-l", "2048",
                           "-f", kRelayAccount, "-t", "alice@" + way.domain,
                           "127.0.0.1:" + std::to_string(submission_port)}});
    wait_until("all messages on hold", [&] { return held.of(": hold: ") >= kMessages; });
    (void)run_ok({.argv = {"postsuper", "-c", configuration, "-H", "ALL"}});
    LogCount sent(log);
    LogCount failed(log);
    const auto agent_before = cpu_time_of(chain.agent().pid());
    const auto judge_before = cpu_time_of(judge);
    const Clock::time_point begin = Clock::now();
    (void)run_ok({.argv = {"postqueue", "-c", configuration, "-f"}});
    while (sent.of(" status=sent (250 ") < kMessages) {
        if (failed.of(" status=deferred ") > 0 || Clock::now() - begin > kLongestRun) {
            fail("not all messages went out; the log ends with:\n" + tail(log));
        }
        std::this_thread::sleep_for(kPollInterval);
    }
    const std::chrono::duration<double> time = Clock::now() - begin;
    constexpr auto kCount = static_cast<double>(kMessages);
    using Microseconds = std::chrono::duration<double, std::micro>;
    return {kCount / time.count(),
            Microseconds(cpu_time_of(chain.agent().pid()) - agent_before).count() / kCount,
            Microseconds(cpu_time_of(judge) - judge_before).count() / kCount};
}

void postfix_throughput(const Options& options, Report& report) {
    const ReservedPort submission;
    Chain chain(settings(submission.number()));
    chain.start();
    give_passwords(chain);
    const pid_t judge =
        json_of(read_file(chain.directory() / "rehearsal/ready.json"))["pid"].asInt();
    std::array<std::vector<double>, 2> rates, agent_us, judge_us;
    for (int pair = -1; pair < options.pairs; ++pair) {
        for (std::size_t i = 0; i < kWays.size(); ++i) {
            const Run run = measure(chain, judge, kWays[i], submission.number());
            if (pair >= 0) {
                rates[i].push_back(run.rate);
                agent_us[i].push_back(run.agent_us);
                judge_us[i].push_back(run.judge_us);
            }
        }
    }
    report.add_ratio({.name = "postfix_xoauth2",
                      .title = "1000 messages through Postfix, XOAUTH2 against PLAIN",
                      .value = {},
                      .unit = {},
                      .bound = Bound::AtLeast,
                      .target = 0.95,
                      .sides_unit = "/s"},
                     rates[0], rates[1]);
    report.add({.name = "postfix_agent_cpu",
                .title = "  of it CPU of the agent, per message",
                .value = spread_of(agent_us[0]),
                .unit = "us"});
    report.add({.name = "postfix_judge_cpu",
                .title = "  more CPU of the far end's judge than for PLAIN, per message",
                .value = spread_of(differences(judge_us[0], judge_us[1])),
                .unit = "us"});
    chain.stop();
}

}  // namespace

int main(int argc, char** argv) { return bench_main(argc, argv, postfix_throughput); }
