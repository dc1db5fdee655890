// SPDX-License-Identifier: Apache-2.0
#include "tests/support/agent_process.hh"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "common/unique_fd.hh"
#include "tests/support/failure.hh"
#include "tests/support/temp_dir.hh"

namespace postbearer::test {
namespace {

using namespace std::chrono_literals;

std::string in_quotes(const std::string& text) { return "\"" + text + "\""; }

}  // namespace

bool takes_connections(const Path& unix_socket) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string& path = unix_socket.native();
    if (path.size() >= sizeof address.sun_path) {
        fail("too long for a socket: " + path);
    }
    std::copy(path.begin(), path.end(), std::begin(address.sun_path));
    const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the sockets API
    return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

Agent::Agent(Path program, AgentSettings settings)
    : program_(std::move(program)), settings_(std::move(settings)) {}

Agent::~Agent() {
    if (test_failed()) {
        std::fprintf(stderr, "---- %s\n%s", log_path().c_str(), tail(log_path(), 30).c_str());
    }
    (void)process_.stop(10s);
}

Path Agent::master_key(std::size_t index) const {
    return settings_.directory / ("master-key" + (index == 0 ? "" : "-" + std::to_string(index)));
}

std::string Agent::store_toml() const {
    std::string text = "\nstore = " + in_quotes("sqlite:" + store().string()) +
                       "\nmaster_key = " + in_quotes("file:" + master_key(0).string());
    if (settings_.master_keys.size() > 1) {
        text += "\nprevious_master_keys = [";
        for (std::size_t i = 1; i < settings_.master_keys.size(); ++i) {
            text += in_quotes("file:" + master_key(i).string()) + ", ";
        }
        text += "]";
    }
    return text;
}

std::string Agent::agent_toml() const {
    const Path& directory = settings_.directory;
    std::string text = "[agent]\nsockets = [";
    for (const Path& socket : settings_.sockets) {
        // Queue directories of private instances are not known to the agent.
        text += "{path = " + in_quotes(socket) + ", group = \"postfix\", mode = \"0660\"}, ";
    }
    text += "]\nadmin_socket = " + in_quotes(admin_socket()) + store_toml() +
            "\nca_file = " + in_quotes(settings_.ca_file) + "\n" + settings_.more + "\n";
    for (const AgentProvider& provider : settings_.providers) {
        text += "[provider." + provider.name + "]\ntype = " + in_quotes(provider.type) +
                "\nclient_id = " + in_quotes(provider.client_id) + "\n";
        if (!provider.secret.empty()) {
            text += "client_secret = " +
                    in_quotes("file:" + (directory / (provider.name + ".secret")).string()) + "\n";
        }
        if (!provider.tenant.empty()) {
            text += "tenant = " + in_quotes(provider.tenant) + "\n";
        }
        if (!provider.token_endpoint.empty()) {
            text += "token_endpoint = " + in_quotes(provider.token_endpoint) + "\n";
        }
        text += provider.more + "\n";
    }
    for (const AgentAccount& account : settings_.accounts) {
        text += "[[account]]\nmatch = " + in_quotes(account.match) +
                "\nprovider = " + in_quotes(account.provider) +
                "\ngrant = " + in_quotes(account.grant) + "\n" + account.more + "\n";
    }
    for (const AgentAccess& access : settings_.access) {
        text += "[[access]]\n" + access.subject + "\naccounts = " + access.accounts +
                "\nresources = " + access.resources + "\n";
    }
    return text;
}

void Agent::write_configuration() const {
    write_file(configuration(), agent_toml());
    make_directory(store_directory(), 0700);
    for (std::size_t i = 0; i < settings_.master_keys.size(); ++i) {
        write_file(master_key(i), settings_.master_keys[i], 0600);
    }
    for (const AgentProvider& provider : settings_.providers) {
        write_file(settings_.directory / (provider.name + ".secret"), provider.secret + "\n", 0600);
    }
}

void Agent::launch() {
    write_configuration();
    for (const Path& socket : settings_.sockets) {
        make_directory(socket.parent_path(), 0755);
    }
    process_ = Process({.argv = {program_, "--config", configuration()},
                        .environment = settings_.environment,
                        .output_file = log_path(),
                        .guarded = true});  // it makes its sockets as their group
}

bool Agent::launch_and_listen() {
    launch();
    bool ended = false;
    wait_until("the agent to listen", [&] {
        // In this order: the socket of one that was killed stays behind.
        const bool listens = takes_connections(socket());
        ended = !process_.running();
        return ended || listens;
    });
    return !ended;
}

void Agent::start() {
    if (!launch_and_listen()) {
        fail("the agent did not start:\n" + tail(log_path()));
    }
}

void Agent::stop() {
    const ExitStatus status = process_.stop(20s);
    if (!status.ok()) {
        fail("the agent ended with " + status.describe() + ":\n" + tail(log_path()));
    }
}

void Agent::kill() { (void)process_.stop(20s, SIGKILL); }

void Agent::reload() {
    write_configuration();
    process_.signal(SIGHUP);
}

}  // namespace postbearer::test
