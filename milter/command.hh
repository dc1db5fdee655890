// SPDX-License-Identifier: Apache-2.0
#pragma once

// What postbearer-milter does instead of serving: explain, send-test and reload. `postbearer` runs
// it for the verbs of those names, so both always judge alike.

#include <string>
#include <vector>

#include "milter/config_loader.hh"

namespace postbearer::milter {

enum ExitCode : int { kDone = 0, kFailed = 1, kUsage = 2, kBadConfig = 78 };

struct Options {
    enum class Task { Serve, CheckConfig, Explain, SendTest, Reload };
    Task task = Task::Serve;
    std::string config;
    bool use_syslog = false;
    bool json = false;
    bool at_queue = false;
    bool from_given = false;
    std::string from;
    std::vector<std::string> recipients;
    std::string sasl_user;
    std::string client;
    std::string transport;
    std::vector<std::string> arguments;
};

[[nodiscard]] int run_explain(const Options& options, const MilterConfig& config);
[[nodiscard]] int run_send_test(const Options& options, const MilterConfig& config);
[[nodiscard]] int run_reload(const MilterConfig& config);

}  // namespace postbearer::milter
