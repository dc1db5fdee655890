// SPDX-License-Identifier: Apache-2.0

// postbearer-agent(8): options, exit codes, and the outermost catch.

#include <getopt.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <string>

#include "common/log.hh"
#include "common/service/privileges.hh"
#include "common/service/standard_descriptors.hh"
#include "token-agent/config_loader.hh"
#include "token-agent/daemon.hh"
#include "token-agent/wiping_memory.hh"

namespace postbearer::agent {
namespace {

enum ExitCode : int { kStopped = 0, kFailed = 1, kUsage = 2, kBadConfig = 78 };

constexpr const char* kUsageText =
    "usage: postbearer-agent [--config FILE] [--check-config] [--syslog] [--version] [--help]\n"
    "\n"
    "Gets, keeps and hands out OAuth 2.0 access tokens over Unix sockets.\n"
    "  --config FILE    default: " POSTBEARER_CONFIG_DIR
    "/agent.toml\n"
    "  --check-config   say what is wrong with the configuration, and end\n"
    "  --syslog         log to syslog(3), facility mail, instead of stderr\n"
    "example: postbearer-agent --config /etc/postbearer/agent.toml --check-config\n";

struct Options {
    std::string config = POSTBEARER_CONFIG_DIR "/agent.toml";
    bool check_only = false;
    bool use_syslog = false;
};

/// The exit code where there is nothing more to do, else -1.
int parse_options(int argc, char** argv, Options& options) {
    static const option long_options[] = {
        {"config", required_argument, nullptr, 'c'}, {"check-config", no_argument, nullptr, 'k'},
        {"syslog", no_argument, nullptr, 's'},       {"version", no_argument, nullptr, 'V'},
        {"help", no_argument, nullptr, 'h'},         {nullptr, 0, nullptr, 0}};
    for (int chosen = 0;
         (chosen = ::getopt_long(argc, argv, "c:h", long_options, nullptr)) != -1;) {
        switch (chosen) {
            case 'c':
                options.config = optarg;
                break;
            case 'k':
                options.check_only = true;
                break;
            case 's':
                options.use_syslog = true;
                break;
            case 'V':
                (void)std::puts("postbearer-agent " POSTBEARER_VERSION);
                return kStopped;
            case 'h':
                (void)std::fputs(kUsageText, stdout);
                return kStopped;
            default:
                (void)std::fputs(kUsageText, stderr);
                return kUsage;
        }
    }
    if (optind != argc) {
        (void)std::fprintf(stderr, "postbearer-agent: unexpected argument '%s'\n%s", argv[optind],
                           kUsageText);
        return kUsage;
    }
    return -1;
}

void print_lines(const std::vector<std::string>& lines, const char* prefix) {
    for (const std::string& line : lines) {
        (void)std::fprintf(stderr, "%s%s\n", prefix, line.c_str());
    }
}

int serve(const Options& options, LoadedConfig loaded) {
    std::unique_ptr<Log> log;
    if (options.use_syslog) {
        log = std::make_unique<SyslogLog>("postbearer-agent");
    } else {
        log = std::make_unique<StderrLog>();
    }
    Daemon daemon(options.config, std::move(loaded), *log);
    if (const auto started = daemon.start(); !started) {
        log->write(
            LogLine(LogLevel::Error, "start_failed").add("message", started.error().context));
        log->flush();
        return started.error().code == Errc::Config ? kBadConfig : kFailed;
    }
    daemon.run();
    return kStopped;
}

int run(int argc, char** argv) {
    service::fill_standard_descriptors();
    Options options;
    const int done = parse_options(argc, argv, options);
    if (done >= 0) {
        return done;
    }
    service::forbid_dumps();
    ConfigResult loaded = load_config(options.config);
    if (!loaded) {
        print_lines(loaded.error(), "");
        return kBadConfig;
    }
    if (options.check_only) {
        print_lines(loaded->warnings, "warning: ");
        (void)std::printf("%s: good; %zu accounts, %zu providers\n", options.config.c_str(),
                          loaded->config->accounts.size(), loaded->config->providers.size());
        return kStopped;
    }
    return serve(options, std::move(*loaded));
}

}  // namespace
}  // namespace postbearer::agent

int main(int argc, char** argv) {
    postbearer::wipe_freed_memory();
    try {
        return postbearer::agent::run(argc, argv);
    } catch (const std::exception& error) {
        (void)std::fprintf(stderr, "<3>event=internal_error what=\"%s\"\n", error.what());
    } catch (...) {
        (void)std::fputs("<3>event=internal_error what=unknown\n", stderr);
    }
    return 1;
}
