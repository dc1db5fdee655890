// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/import.hh"

#include "token-agent/cli/command_line.hh"
#include "token-agent/cli/export.hh"

namespace postbearer::cli {

int import(const Options& options, const Console& console) {
    const std::vector<std::string>& words = options.arguments;
    if (words.front() == "sasl-xoauth2") {
        Options own = options;
        // --config means the other program's file here.
        own.peer_config = options.config_given ? options.config : options.peer_config;
        own.config = options.agent_config.empty() ? POSTBEARER_CONFIG_DIR "/agent.toml"
                                                  : options.agent_config;
        return import_sasl_xoauth2(own, console);
    }
    const bool named = words.front() == "postbearer" && words.size() == 2;
    if (words.size() != 1 && !named) {
        console.warn(
            "postbearer import: name one FILE of \"postbearer export\", or say: postbearer import "
            "sasl-xoauth2 TOKENFILE...");
        return kUsage;
    }
    if (const auto foreign = foreign_option("[--passphrase-file F] [--json]", options)) {
        console.warn("postbearer import: --" + std::string(*foreign) +
                     " belongs to import sasl-xoauth2");
        return kUsage;
    }
    return import_logins(options, console, words.back());
}

int run_import(const Options& options) {
    const Interrupt interrupt;
    Console console;
    console.json = options.json;
    console.interrupt = &interrupt;
    return import(options, console);
}

}  // namespace postbearer::cli
