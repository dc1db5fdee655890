// SPDX-License-Identifier: Apache-2.0
#pragma once

// agent.toml and agent.d/*.toml to one validated AgentConfig; postbearer-agent.toml(5).

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "common/config/host.hh"
#include "token-agent/config.hh"

namespace postbearer::agent {

using config::ConfigHost;

struct LoadedConfig {
    std::shared_ptr<const AgentConfig> config;
    std::vector<std::string> warnings;  // each one line, FILE:LINE:COL: text
};

/// Error: every mistake of all files, each one line to print, sorted by position.
using ConfigResult = tl::expected<LoadedConfig, std::vector<std::string>>;

/// Reads `path`, `agent.d/*.toml` beside it, and the secrets they refer to.
[[nodiscard]] ConfigResult load_config(const std::string& path);
[[nodiscard]] ConfigResult load_config(const std::string& path, const ConfigHost& host);

struct ConfigText {
    std::string name;  // for messages
    std::string_view text;
};
/// The same from memory; the first text is the main file, the others are those of agent.d.
[[nodiscard]] ConfigResult load_config_texts(std::span<const ConfigText> texts,
                                             const ConfigHost& host);

}  // namespace postbearer::agent
