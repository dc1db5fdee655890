// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/graph_rig.hh"

#include <thread>

#include "tests/bench/log_count.hh"
#include "tests/bench/rig.hh"
#include "tests/support/failure.hh"

namespace postbearer::bench {
namespace {

using namespace std::chrono_literals;
using test::fail;
using test::GraphChain;
using test::GraphChainSettings;
using test::Rehearsal;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kSubmitters = 10;
constexpr auto kLongestRun = 120s;
constexpr auto kPollInterval = 2ms;  // of seconds
constexpr const char* kTrustAll = "trusted_clients = [\"127.0.0.0/8\"]\n";
constexpr std::size_t kSpareSessions = 250 - 200;  // of the LMTP front, of Postfix
constexpr const char* kSinkSocket = "run/postbearer/sink.sock";

/// A token as long as Entra's.
constexpr const char* kRegistration =
    R"({"tenant":"contoso.test","mailboxes":["*@contoso.test"],"roles":["Mail.Send"],)"
    R"("secrets":[{"value":"correct horse battery staple"}],"lifetime":3600,"pad_bytes":600})";

/// Connections to a Unix socket that are open, by the kernel's list.
std::size_t connections_to(const test::Path& socket) {
    constexpr std::string_view kConnected = " 0001 03 ";
    std::size_t count = 0;
    for (const std::string& line : test::split_lines(test::read_file("/proc/net/unix"))) {
        count += line.ends_with(socket.native()) && line.find(kConnected) != std::string::npos;
    }
    return count;
}

std::string listener(const test::ReservedPort& port, const std::string& options) {
    return "127.0.0.1:" + std::to_string(port.number()) + " inet n - n - 100 smtpd " + options +
           " -o smtpd_client_restrictions=check_client_access,static:hold";
}

GraphChainSettings queue_settings(const test::ReservedPort& graph, const test::ReservedPort& sink) {
    GraphChainSettings settings;
    settings.client_main = {
        // Tenders of a queue that nobody else may touch while we measure.
        {"queue_run_delay", "3600s"},
        {"minimal_backoff_time", "3600s"},
        {"maximal_backoff_time", "3600s"},
        // What is on hold gives no tokens back.
        {"in_flow_delay", "0"},
        {"graph_initial_destination_concurrency", "200"},
        {"sink_destination_recipient_limit", "$graph_destination_recipient_limit"},
        {"sink_destination_concurrency_limit", "$graph_destination_concurrency_limit"},
        {"sink_initial_destination_concurrency", "$graph_initial_destination_concurrency"}};
    settings.client_services = {
        "sink unix - - n - 200 lmtp -o syslog_name=postfix/sink -o lmtp_sasl_auth_enable=no "
        "-o lmtp_tls_security_level=none -o lmtp_send_xforward_command=yes "
        "-o lmtp_line_length_limit=0 -o lmtp_fallback_relay= "
        "-o lmtp_generic_maps=$smtp_generic_maps",
        listener(graph, "-o smtpd_milters=unix:run/postbearer/milter.sock"),
        listener(sink, std::string("-o content_filter=sink:unix:") + kSinkSocket)};
    return settings;
}

}  // namespace

void make_tireless(const Rehearsal& rehearsal) {
    rehearsal.set_graph_limits(R"({"concurrent":0,"requests":0,"upload_bytes":0})");
    rehearsal.set_graph_behaviour(R"({"keep":"none"})");
}

std::unique_ptr<GraphChain> load_chain(GraphChainSettings settings,
                                       const std::string& milter_more) {
    settings.client_json = kRegistration;
    auto chain = std::make_unique<GraphChain>(std::move(settings));
    chain->prepare();
    chain->milter().settings().milter_more = kTrustAll + milter_more;
    make_tireless(chain->rehearsal());
    return chain;
}

pid_t rehearsal_pid(GraphChain& chain) {
    const std::string ready = test::read_file(chain.directory() / "rehearsal/ready.json");
    return test::json_of(ready)["pid"].asInt();
}

CpuUse CpuUse::since(const CpuUse& before, std::size_t messages) const {
    const auto count = static_cast<double>(messages);
    return {(milter - before.milter) / count, (agent - before.agent) / count,
            (rehearsal - before.rehearsal) / count};
}

QueueRig::QueueRig() : chain_(load_chain(queue_settings(graph_port_, sink_port_))) {
    chain_->relay().start();
    chain_->agent().start();
    chain_->client().start();
    chain_->milter().start();
    rehearsal_ = rehearsal_pid(*chain_);
    const test::Path socket = chain_->client().queue_directory() / kSinkSocket;
    sink_ = test::Process({.argv = {sibling("bench-lmtp-sink"), socket}});
    test::wait_until("the sink to listen", [&] { return test::takes_connections(socket); });
}

QueueRig::~QueueRig() = default;

void QueueRig::stop() { chain_->stop(); }

CpuUse QueueRig::cpu() const {
    const auto of = [](pid_t pid) {
        return std::chrono::duration<double, std::micro>(cpu_time_of(pid)).count();
    };
    return {of(chain_->milter().pid()), of(chain_->agent().pid()), of(rehearsal_)};
}

void QueueRig::deliver(Way way, std::size_t messages) {
    const test::Path log = chain_->client().log_path();
    const std::string configuration = chain_->client().configuration();
    LogCount sent(log);
    LogCount failed(log);
    const Clock::time_point begin = Clock::now();
    (void)test::run_ok({.argv = {"postqueue", "-c", configuration, "-f"}});
    const std::string_view word =
        way == Way::Graph ? " status=sent (250 " : " status=sent (250 2.0.0 sunk";
    while (sent.of(word) < messages) {
        if (failed.of(" status=deferred ") > 0 || Clock::now() - begin > kLongestRun) {
            fail("not all messages went out; the log ends with:\n" + test::tail(log));
        }
        std::this_thread::sleep_for(kPollInterval);
    }
}

QueueRig::Run QueueRig::run(Way way, std::size_t messages) {
    const std::uint16_t port = way == Way::Graph ? graph_port_.number() : sink_port_.number();
    const std::uint64_t accepted = chain_->rehearsal().accepted();
    // Postfix keeps sessions for two seconds; beside its 200 the front has room for 50.
    test::wait_until("lmtp(8) to close sessions",
                     [this] { return connections_to(chain_->lmtp_socket()) <= kSpareSessions; });
    const CpuUse at_first = cpu();
    hand_in({.messages = messages, .connections = kSubmitters, .mailboxes = kMailboxes},
            [port] { return test::Dialogue::tcp(port); });
    const CpuUse submitted = cpu();
    (void)test::run_ok(
        {.argv = {"postsuper", "-c", chain_->client().configuration(), "-H", "ALL"}});
    const CpuUse released = cpu();
    const Clock::time_point begin = Clock::now();
    deliver(way, messages);
    const std::chrono::duration<double> time = Clock::now() - begin;
    const CpuUse delivered = cpu();
    const std::uint64_t taken = chain_->rehearsal().accepted() - accepted;
    if (taken != (way == Way::Graph ? messages : 0)) {
        fail("Graph took " + std::to_string(taken) + " of " + std::to_string(messages) +
             " messages");
    }
    check_no_copies(chain_->rehearsal());
    return {static_cast<double>(messages) / time.count(), submitted.since(at_first, messages),
            delivered.since(released, messages)};
}

void check_no_copies(const Rehearsal& rehearsal) {
    if (const auto copies = rehearsal.deliveries(2); !copies.empty()) {
        fail("messages came more than once: " + copies.toStyledString().substr(0, 500));
    }
}

std::size_t memory_kb(pid_t pid, const std::string& name) {
    const std::string status = test::read_file("/proc/" + std::to_string(pid) + "/status");
    const std::size_t at = status.find("\n" + name + ":");
    if (at == std::string::npos) {
        fail("no " + name + " of process " + std::to_string(pid));
    }
    return std::stoul(status.substr(at + name.size() + 2));
}

}  // namespace postbearer::bench
