// SPDX-License-Identifier: Apache-2.0
#include "tests/support/milter_process.hh"

#include <stdlib.h>

#include <csignal>
#include <cstdio>
#include <map>

#include "tests/support/agent_process.hh"
#include "tests/support/failure.hh"
#include "tests/support/temp_dir.hh"

namespace postbearer::test {
namespace {

using namespace std::chrono_literals;

std::string in_quotes(const std::string& text) { return "\"" + text + "\""; }

/// What sanitizers read, where this is a build with one; nothing else of ours.
std::map<std::string, std::string> sanitizer_options() {
    std::map<std::string, std::string> options;
    for (const char* name : {"ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"}) {
        if (const char* value = ::getenv(name)) {  // NOLINT(concurrency-mt-unsafe)
            options[name] = value;
        }
    }
    return options;
}

}  // namespace

MilterDaemon::MilterDaemon(Path program, MilterSettings settings)
    : program_(std::move(program)), settings_(std::move(settings)) {}

MilterDaemon::~MilterDaemon() {
    if (test_failed()) {
        std::fprintf(stderr, "---- %s\n%s", log_path().c_str(), tail(log_path(), 40).c_str());
    }
    (void)process_.stop(60s);
}

std::string MilterDaemon::milter_toml() const {
    const MilterSettings& it = settings_;
    // Queue directories of private instances are not known to the daemon, so it is told the group.
    return "[milter]\nlisten = " + in_quotes("unix:" + it.milter_socket.string()) +
           "\nlmtp = " + in_quotes("unix:" + it.lmtp_socket.string()) +
           "\nsocket_group = \"postfix\"\nsocket_mode = " + in_quotes(it.socket_mode) +
           "\nagent = " + in_quotes(it.agent_socket) +
           "\njournal = " + in_quotes((it.directory / "state" / "journal.db").string()) + "\n" +
           it.milter_more + "\n[graph]\nendpoint = " + in_quotes(it.endpoint) +
           "\nca_file = " + in_quotes(it.ca_file) + "\n" + it.graph_more + "\n" + it.routes + "\n";
}

void MilterDaemon::write_configuration() const { write_file(configuration(), milter_toml()); }

void MilterDaemon::start() {
    make_directory(settings_.directory);
    write_configuration();
    make_directory(settings_.lmtp_socket.parent_path(), 0755);
    LogWatch watch = log();
    watch.mark();
    process_ = Process({.argv = {program_, "--config", configuration()},
                        .environment = sanitizer_options(),
                        .output_file = log_path()});
    wait_until("the milter daemon to listen", [&] {
        if (!process_.running()) {
            fail("the milter daemon did not start:\n" + tail(log_path()));
        }
        return takes_connections(settings_.milter_socket) &&
               takes_connections(settings_.lmtp_socket);
    });
    // The sockets are there before all that stands behind them.
    (void)watch.wait_for("event=started ");
}

/// libmilter's listener looks up every five seconds, and at every connection.
void MilterDaemon::stop() {
    process_.signal(SIGTERM);
    (void)holds_within(30s, [this] {
        (void)takes_connections(settings_.milter_socket);
        return !process_.running();
    });
    const ExitStatus status = process_.stop(90s);
    if (!status.ok()) {
        fail("the milter daemon ended with " + status.describe() + ":\n" + tail(log_path()));
    }
}

void MilterDaemon::kill() { (void)process_.stop(20s, SIGKILL); }

void MilterDaemon::reload() {
    write_configuration();
    LogWatch watch = log();
    watch.mark();
    process_.signal(SIGUSR1);
    (void)watch.wait_for("event=(reloaded|reload_failed)");
}

}  // namespace postbearer::test
