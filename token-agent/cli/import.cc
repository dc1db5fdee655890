// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/import.hh"

namespace postbearer::cli {
int import(const Options& options, const Console& console) {
    if (options.arguments.front() == "sasl-xoauth2") {
        Options own = options;
        // --config means the other program's file here.
        own.peer_config = options.config_given ? options.config : options.peer_config;
        own.config = options.agent_config.empty() ? POSTBEARER_CONFIG_DIR "/agent.toml"
                                                  : options.agent_config;
        return import_sasl_xoauth2(own, console);
    }
    return kFailed;
}

int run_import(const Options& options) {
    const Interrupt interrupt;
    Console console;
    console.json = options.json;
    console.interrupt = &interrupt;
    return import(options, console);
}
}  // namespace postbearer::cli
