// SPDX-License-Identifier: Apache-2.0

// Messages of 2 kB per second that a Postfix takes by SMTP with the milter front, against without;
// ten clients, with a connection for each message and with kept ones. A route says relay for one
// sender and graph for the other; the mark of the latter leads to discard(8) as well, so that
// acceptance alone is measured. smtp-source is timed from start to end; deliveries are only
// counted.

#include <array>

#include "tests/bench/bench_support.hh"
#include "tests/bench/graph_rig.hh"
#include "tests/bench/log_count.hh"
#include "tests/support/failure.hh"

namespace {

using namespace postbearer::bench;
using namespace postbearer::test;

constexpr std::size_t kMessages = 600;
constexpr std::size_t kFewMessages = 100;
constexpr const char* kMark = "/^X-Postbearer-Route:[[:space:]]*graph;/ FILTER discard:graph\n";
constexpr const char* kRoutes =
    "[[route]]\nname = \"kept\"\nsender = [\"@relay.test\"]\naction = \"relay\"\n"
    "[[route]]\nname = \"contoso\"\nsender = [\"@contoso.test\"]\n";

struct Sender {
    const char* address;
    const char* decision;
    const char* row;
    const char* title;
};
constexpr std::array<Sender, 2> kSenders{
    {{"app0@relay.test", " decision=relay", "relay", "a route says relay"},
     {"app0@contoso.test", " decision=graph", "graph", "all diverted"}}};

struct Listeners {
    ReservedPort with;
    ReservedPort without;
};

GraphChainSettings front_settings(const Listeners& ports) {
    GraphChainSettings settings;
    settings.client_main = {{"default_transport", "discard:"}};
    settings.routes = kRoutes;
    const auto listener = [](const ReservedPort& port, const std::string& options) {
        return "127.0.0.1:" + std::to_string(port.number()) + " inet n - n - 100 smtpd" + options;
    };
    settings.client_services = {
        listener(ports.with, " -o smtpd_milters=unix:run/postbearer/milter.sock"),
        listener(ports.without, "")};
    return settings;
}

/// Messages per second; `decision` is what the milter must have said of each, empty: no milter.
double rate(GraphChain& chain, const ReservedPort& port, const Sender& sender, bool kept,
            bool by_milter, std::size_t messages) {
    LogCount sent(chain.client().log_path());
    LogCount decided(chain.milter().log_path());
    Command command{.argv = {"smtp-source", "-s", "10", "-m", std::to_string(messages), "-l",
                             "2048", "-f", sender.address, "-t", kReader}};
    if (kept) {
        command.argv.emplace_back("-d");
    }
    command.argv.push_back("127.0.0.1:" + std::to_string(port.number()));
    const auto begin = std::chrono::steady_clock::now();
    (void)run_ok(std::move(command));
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    wait_until("all messages discarded", [&] { return sent.of(" status=sent (") >= messages; });
    const std::size_t decisions = decided.of(sender.decision);
    if (decisions != (by_milter ? messages : 0)) {
        fail("the milter decided " + std::to_string(decisions) + " times:\n" +
             tail(chain.milter().log_path(), 3));
    }
    return static_cast<double>(messages) / time.count();
}

struct Series {
    std::vector<double> ours;
    std::vector<double> floor;
};

void milter_front(const Options& options, Report& report) {
    const Listeners ports;
    const auto chain = load_chain(front_settings(ports), "transports = [\"discard\"]\n");
    write_file(chain->directory() / "client/etc/milter_header_checks", kMark);
    chain->relay().start();
    chain->agent().start();
    chain->client().start();
    chain->milter().start();
    const std::size_t messages = options.amount(kMessages, kFewMessages);
    std::array<std::array<Series, 2>, 2> all;  // by sender, by kept
    for (int pair = -1; pair < options.pairs; ++pair) {
        for (std::size_t i = 0; i < kSenders.size(); ++i) {
            for (const bool kept : {false, true}) {
                const double ours = rate(*chain, ports.with, kSenders[i], kept, true, messages);
                const double floor =
                    rate(*chain, ports.without, kSenders[i], kept, false, messages);
                if (pair >= 0) {
                    all[i][kept ? 1 : 0].ours.push_back(ours);
                    all[i][kept ? 1 : 0].floor.push_back(floor);
                }
            }
        }
    }
    for (std::size_t i = 0; i < kSenders.size(); ++i) {
        for (const bool kept : {false, true}) {
            const Series& series = all[i][kept ? 1 : 0];
            report.add_ratio(
                {.name = std::string("milter_front_") + kSenders[i].row + (kept ? "_kept" : "_new"),
                 .title = std::string("SMTP with the milter against without, ") +
                          kSenders[i].title + (kept ? ", kept connections" : ", new connections"),
                 .value = {},
                 .unit = {},
                 .bound = Bound::AtLeast,
                 .target = 0.65,
                 .sides_unit = "/s"},
                series.ours, series.floor);
        }
    }
    chain->stop();
}

}  // namespace

int main(int argc, char** argv) { return bench_main(argc, argv, milter_front); }
