// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/command_line.hh"

#include <getopt.h>

#include <cstdio>
#include <limits>

#include "common/config/duration.hh"
#include "common/text.hh"

namespace postbearer::cli {
namespace {

enum Chosen : int {
    kConfig = 1,
    kJson,
    kHelp,
    kAll,
    kDryRun,
    kMonitor,
    kTest,
    kResource,
    kProvider,
    kExpiring,
    kDevice,
    kBrowser,
    kPaste,
    kPort,
    kAcceptUser,
    kPassphrase,
    kPassphraseFile,
    kAgentConfig,
    kAccount,
    kWriteConfig,
    kForce
};

constexpr option kLongOptions[] = {{"config", required_argument, nullptr, kConfig},
                                   {"json", no_argument, nullptr, kJson},
                                   {"help", no_argument, nullptr, kHelp},
                                   {"all", no_argument, nullptr, kAll},
                                   {"dry-run", no_argument, nullptr, kDryRun},
                                   {"monitor", no_argument, nullptr, kMonitor},
                                   {"test", no_argument, nullptr, kTest},
                                   {"resource", required_argument, nullptr, kResource},
                                   {"provider", required_argument, nullptr, kProvider},
                                   {"expiring-within", required_argument, nullptr, kExpiring},
                                   {"device", no_argument, nullptr, kDevice},
                                   {"browser", no_argument, nullptr, kBrowser},
                                   {"paste", no_argument, nullptr, kPaste},
                                   {"port", required_argument, nullptr, kPort},
                                   {"accept-user", no_argument, nullptr, kAcceptUser},
                                   {"passphrase", required_argument, nullptr, kPassphrase},
                                   {"passphrase-file", required_argument, nullptr, kPassphraseFile},
                                   {"agent-config", required_argument, nullptr, kAgentConfig},
                                   {"account", required_argument, nullptr, kAccount},
                                   {"write-config", required_argument, nullptr, kWriteConfig},
                                   {"force", no_argument, nullptr, kForce},
                                   {nullptr, 0, nullptr, 0}};

bool wrong(const std::string& text) {
    (void)std::fprintf(stderr, "postbearer: %s\n", text.c_str());
    return false;
}

bool choose_flow(Options& options, const char* flow) {
    if (!options.flow.empty() && options.flow != flow) {
        return wrong("--" + options.flow + " and --" + flow + " exclude each other");
    }
    options.flow = flow;
    return true;
}

bool read_expiring(Options& options, const char* value) {
    const auto duration = config::parse_duration(value);
    if (!duration) {
        return wrong("'" + printable(value, 60) + "' is no duration such as 30m or 7d");
    }
    options.expiring_within = duration->count();
    return true;
}

bool read_port(Options& options, const char* value) {
    const auto number = parse_decimal(value);
    if (!number || *number == 0 || *number > std::numeric_limits<std::uint16_t>::max()) {
        return wrong("--port is a number from 1 to 65535");
    }
    options.port = static_cast<std::uint16_t>(*number);
    return true;
}

bool apply_flag(int chosen, Options& options) {
    switch (chosen) {
        case kJson:
            options.json = true;
            return true;
        case 'h':
        case kHelp:
            options.help = true;
            return true;
        case kAll:
            options.all = true;
            return true;
        case kDryRun:
            options.dry_run = true;
            return true;
        case kMonitor:
            options.monitor = true;
            return true;
        case kTest:
            options.test = true;
            return true;
        case kAcceptUser:
            options.accept_user = true;
            return true;
        case kForce:
            options.force = true;
            return true;
        case kDevice:
            return choose_flow(options, "device");
        case kBrowser:
            return choose_flow(options, "browser");
        case kPaste:
            return choose_flow(options, "paste");
        default:
            return false;
    }
}

bool apply_option(int chosen, const char* value, Options& options) {
    switch (chosen) {
        case kConfig:
            options.config = value;
            options.config_given = true;
            return true;
        case kResource:
            options.resource = value;
            options.resources.emplace_back(value);
            return true;
        case kProvider:
            options.provider = value;
            return true;
        case kExpiring:
            return read_expiring(options, value);
        case kPort:
            return read_port(options, value);
        case kPassphrase:  // else it would be taken for --passphrase-file cut short
            return wrong(
                "a passphrase on the command line is there for everybody to read; use "
                "--passphrase-file, or be asked");
        case kPassphraseFile:
            options.passphrase_file = value;
            return true;
        case kAgentConfig:
            options.agent_config = value;
            return true;
        case kAccount:
            options.address_of.emplace_back(value);
            return true;
        case kWriteConfig:
            options.write_config = value;
            return true;
        default:
            return apply_flag(chosen, options);
    }
}

}  // namespace

bool parse_options(int argc, char** argv, Options& options) {
    ::optind = 0;    // tests come here more than once
    int index = -1;  // of a long option
    for (int chosen = 0;
         // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
         (chosen = ::getopt_long(argc, argv, "h", kLongOptions, &index)) != -1; index = -1) {
        if (!apply_option(chosen, ::optarg, options)) {
            return false;
        }
        if (index >= 0) {
            options.given.emplace_back(kLongOptions[index].name);
        }
    }
    options.arguments.assign(argv + ::optind, argv + argc);
    return true;
}

std::optional<std::string_view> foreign_option(std::string_view usage, const Options& options) {
    const auto stands_there = [usage](std::string_view name) {
        const std::string option = "--" + std::string(name);
        for (std::size_t at = usage.find(option); at != std::string_view::npos;
             at = usage.find(option, at + 1)) {
            const std::size_t end = at + option.size();
            if (end == usage.size() ||
                std::string_view(" ]|").find(usage[end]) != std::string_view::npos) {
                return true;
            }
        }
        return false;
    };
    for (const std::string_view name : options.given) {
        const bool common = name == "config" || name == "help";
        if (!common && !stands_there(name)) {
            return name;
        }
    }
    return std::nullopt;
}

}  // namespace postbearer::cli
