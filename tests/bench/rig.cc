// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/rig.hh"

#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/failure.hh"
#include "tests/support/programs.hh"
#include "tests/support/wait.hh"

namespace postbearer::bench {
namespace {

constexpr const char* kTenant = "contoso.test";
constexpr const char* kClientId = "11111111-1111-1111-1111-111111111111";

Json::Value registration(std::size_t pad_bytes) {
    Json::Value client =
        test::json_of(R"({"tenant":"contoso.test","mailboxes":["*@contoso.test"],"lifetime":3600,)"
                      R"("secrets":[{"value":"correct horse battery staple"}]})");
    client["pad_bytes"] = static_cast<Json::UInt64>(pad_bytes);
    return client;
}

std::vector<int> allowed_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (::sched_getaffinity(0, sizeof set, &set) != 0) {
        test::fail_errno("sched_getaffinity");
    }
    std::vector<int> cpus;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &set)) {
            cpus.push_back(cpu);
        }
    }
    return cpus;
}

void pin(pid_t pid, int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (::sched_setaffinity(pid, sizeof set, &set) != 0) {
        test::fail_errno("sched_setaffinity");
    }
}

}  // namespace

Rig::Rig()
    : directory_("pbb"),
      rehearsal_(test::Programs::rehearsal(), directory_ / "rehearsal", directory_ / "auth.sock") {
    rehearsal_.start();
    (void)rehearsal_.put_client(kClientId, registration(0));
    Json::Value order;
    order["client_id"] = kClientId;
    order["tenant"] = kTenant;
    const std::size_t bare = rehearsal_.mint(order).size();
    constexpr std::size_t kClaimBytes = 13;  // ,"xms_pad":""
    if (bare + kClaimBytes * 4 / 3 < kTokenBytes) {
        const std::size_t missing = (kTokenBytes - bare) * 3 / 4 - kClaimBytes;
        (void)rehearsal_.put_client(kClientId, registration(missing));
    }
}

test::AgentSettings Rig::agent_settings(const std::string& name, std::vector<std::string> accounts,
                                        Path socket) const {
    test::AgentSettings settings;
    settings.directory = directory_ / name;
    settings.sockets = {socket.empty() ? settings.directory / "agent.sock" : std::move(socket)};
    settings.ca_file = rehearsal_.ca_file();
    test::AgentProvider provider;
    provider.tenant = kTenant;
    provider.client_id = kClientId;
    provider.token_endpoint = rehearsal_.token_endpoint(kTenant);
    settings.providers = {std::move(provider)};
    for (std::string& match : accounts) {
        test::AgentAccount account;
        account.match = std::move(match);
        settings.accounts.push_back(std::move(account));
    }
    settings.access.front().subject = "uid = " + std::to_string(::geteuid());
    return settings;
}

std::string plugin_request(const std::string& account) {
    protocol::TokenRequest request;
    request.account = account;
    request.resource = protocol::Resource::Smtp;
    request.host = kHost;
    request.wait = std::chrono::milliseconds(8000);
    const Secret encoded = encode(request);
    return std::string(encoded.reveal());
}

EchoServer::EchoServer(const Path& directory, std::size_t answer_bytes)
    : socket_(directory / "echo.sock") {
    test::make_directory(directory);
    process_ =
        test::Process({.argv = {sibling("bench-echo"), socket_, std::to_string(answer_bytes)},
                       .output_file = directory / "echo.log"});
    test::wait_until("the echo server", [&] {
        if (!process_.running()) {
            test::fail("the echo server ended: " + test::tail(directory / "echo.log"));
        }
        return test::takes_connections(socket_);
    });
}

void place(Placement placement, std::initializer_list<pid_t> servers) {
    static const std::vector<int> cpus = allowed_cpus();
    pin(0, cpus.front());
    for (const pid_t server : servers) {
        pin(server, placement == Placement::OneCpu ? cpus.front() : cpus.at(1));
    }
}

bool has_two_cpus() { return allowed_cpus().size() > 1; }

Path sibling(const std::string& name) {
    return std::filesystem::read_symlink("/proc/self/exe").parent_path() / name;
}

std::chrono::nanoseconds cpu_time_of(pid_t pid) {
    clockid_t clock{};
    timespec used{};
    if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &used) != 0) {
        test::fail("no CPU clock of process " + std::to_string(pid));
    }
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

}  // namespace postbearer::bench
