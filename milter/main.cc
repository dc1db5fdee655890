// SPDX-License-Identifier: Apache-2.0

// postbearer-milter(8): options, exit codes, and the outermost catch.

#include <getopt.h>
#include <signal.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <string_view>

#include "common/log.hh"
#include "common/service/standard_descriptors.hh"
#include "milter/command.hh"
#include "milter/config_loader.hh"
#include "milter/daemon.hh"

namespace postbearer::milter {
namespace {

constexpr const char* kUsageText =
    "usage: postbearer-milter [--config FILE] [--check-config] [--syslog] [--version] [--help]\n"
    "       postbearer-milter --explain --from F --rcpt R... [--sasl-user U] [--client IP]\n"
    "                         [--transport T] [--queue] [--json] [FILE | -]\n"
    "       postbearer-milter --send-test FROM --to TO... [--via graph] [--json]\n"
    "       postbearer-milter --reload\n"
    "\n"
    "Diverts chosen mail of a Postfix to Microsoft Graph.\n"
    "  --config FILE    default: " POSTBEARER_CONFIG_DIR
    "/milter.toml\n"
    "  --check-config   say what is wrong with the configuration, and end\n"
    "  --syslog         log to syslog(3), facility mail, instead of stderr\n"
    "  --explain        say what would become of a message, and why; nothing is sent\n"
    "  --send-test      send one message through the running daemon\n"
    "  --reload         make the running daemon read its configuration again\n"
    "example: postbearer-milter --config /etc/postbearer/milter.toml --check-config\n";

enum Choice : int {
    kConfig = 'c',
    kHelp = 'h',
    kCheck = 256,
    kSyslog,
    kVersion,
    kExplain,
    kSendTest,
    kReload,
    kFrom,
    kRecipient,
    kVia,
    kSaslUser,
    kClient,
    kTransport,
    kQueue,
    kJson
};

/// False: no option of ours.
bool apply(int chosen, Options& options) {
    switch (chosen) {
        case kConfig:
            options.config = optarg;
            return true;
        case kCheck:
            options.task = Options::Task::CheckConfig;
            return true;
        case kSyslog:
            options.use_syslog = true;
            return true;
        case kExplain:
            options.task = Options::Task::Explain;
            return true;
        case kSendTest:
            options.task = Options::Task::SendTest;
            return true;
        case kReload:
            options.task = Options::Task::Reload;
            return true;
        case kFrom:
            options.from = optarg;
            options.from_given = true;
            return true;
        case kRecipient:
            options.recipients.emplace_back(optarg);
            return true;
        case kVia:
            if (std::string_view(optarg) != "graph") {
                (void)std::fputs("postbearer-milter: this version sends --via graph only\n",
                                 stderr);
                return false;
            }
            return true;
        case kSaslUser:
            options.sasl_user = optarg;
            return true;
        case kClient:
            options.client = optarg;
            return true;
        case kTransport:
            options.transport = optarg;
            return true;
        case kQueue:
            options.at_queue = true;
            return true;
        case kJson:
            options.json = true;
            return true;
        default:
            return false;
    }
}

/// The exit code where there is nothing more to do, else -1.
int parse_options(int argc, char** argv, Options& options) {
    static const option long_options[] = {{"config", required_argument, nullptr, kConfig},
                                          {"check-config", no_argument, nullptr, kCheck},
                                          {"syslog", no_argument, nullptr, kSyslog},
                                          {"version", no_argument, nullptr, kVersion},
                                          {"help", no_argument, nullptr, kHelp},
                                          {"explain", no_argument, nullptr, kExplain},
                                          {"send-test", no_argument, nullptr, kSendTest},
                                          {"reload", no_argument, nullptr, kReload},
                                          {"from", required_argument, nullptr, kFrom},
                                          {"rcpt", required_argument, nullptr, kRecipient},
                                          {"to", required_argument, nullptr, kRecipient},
                                          {"via", required_argument, nullptr, kVia},
                                          {"sasl-user", required_argument, nullptr, kSaslUser},
                                          {"client", required_argument, nullptr, kClient},
                                          {"transport", required_argument, nullptr, kTransport},
                                          {"queue", no_argument, nullptr, kQueue},
                                          {"json", no_argument, nullptr, kJson},
                                          {nullptr, 0, nullptr, 0}};
    options.config = POSTBEARER_CONFIG_DIR "/milter.toml";
    for (int chosen = 0;
         (chosen = ::getopt_long(argc, argv, "c:h", long_options, nullptr)) != -1;) {
        if (chosen == kVersion) {
            (void)std::puts("postbearer-milter " POSTBEARER_VERSION);
            return kDone;
        }
        if (chosen == kHelp) {
            (void)std::fputs(kUsageText, stdout);
            return kDone;
        }
        if (!apply(chosen, options)) {
            (void)std::fputs(kUsageText, stderr);
            return kUsage;
        }
    }
    options.arguments.assign(argv + optind, argv + argc);
    const bool takes_arguments =
        options.task == Options::Task::Explain || options.task == Options::Task::SendTest;
    if (!takes_arguments && !options.arguments.empty()) {
        (void)std::fprintf(stderr, "postbearer-milter: unexpected argument '%s'\n%s",
                           options.arguments.front().c_str(), kUsageText);
        return kUsage;
    }
    return -1;
}

void print_lines(const std::vector<std::string>& lines, const char* prefix) {
    for (const std::string& line : lines) {
        (void)std::fprintf(stderr, "%s%s\n", prefix, line.c_str());
    }
}

/// A reload that is asked for before the loop can do it waits; by default it would end us. The
/// loop's thread lets the signal through.
void hold_reload_signal() {
    sigset_t reload{};
    (void)::sigemptyset(&reload);
    (void)::sigaddset(&reload, SIGUSR1);
    (void)::pthread_sigmask(SIG_BLOCK, &reload, nullptr);
}

int serve(const Options& options, LoadedConfig loaded) {
    std::unique_ptr<Log> log;
    if (options.use_syslog) {
        log = std::make_unique<SyslogLog>("postbearer-milter");
    } else {
        log = std::make_unique<StderrLog>();
    }
    Daemon daemon(std::move(loaded), *log);
    const auto failed = [&](const Error& error) {
        log->write(LogLine(LogLevel::Error, "start_failed").add("message", error.context));
        log->flush();
        return error.code == Errc::Config ? kBadConfig : kFailed;
    };
    if (const auto started = daemon.start(); !started) {
        return failed(started.error());
    }
    if (const auto ended = daemon.run(); !ended) {
        return failed(ended.error());
    }
    return kDone;
}

int run(int argc, char** argv) {
    service::fill_standard_descriptors();
    Options options;
    const int done = parse_options(argc, argv, options);
    if (done >= 0) {
        return done;
    }
    if (options.task == Options::Task::Serve) {
        hold_reload_signal();
    }
    ConfigResult loaded = load_config(options.config);
    if (!loaded) {
        print_lines(loaded.error(), "");
        return kBadConfig;
    }
    switch (options.task) {
        case Options::Task::CheckConfig:
            print_lines(loaded->warnings, "warning: ");
            (void)std::printf("%s: good; %zu routes\n", options.config.c_str(),
                              loaded->config->routes.size());
            return kDone;
        case Options::Task::Explain:
            return run_explain(options, *loaded->config);
        case Options::Task::SendTest:
            return run_send_test(options, *loaded->config);
        case Options::Task::Reload:
            return run_reload(*loaded->config);
        case Options::Task::Serve:
            break;
    }
    return serve(options, std::move(*loaded));
}

}  // namespace
}  // namespace postbearer::milter

int main(int argc, char** argv) {
    try {
        return postbearer::milter::run(argc, argv);
    } catch (const std::exception& error) {
        (void)std::fprintf(stderr, "postbearer-milter: internal error: %s\n", error.what());
    } catch (...) {
        (void)std::fputs("postbearer-milter: internal error\n", stderr);
    }
    return postbearer::milter::kFailed;
}
