// SPDX-License-Identifier: Apache-2.0
#pragma once

// Every key of agent.toml, once: the loader takes its known keys from here, a test compares the
// table with postbearer-agent.toml(5) and conf/agent.toml.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/config/options.hh"

namespace postbearer::agent {

enum class Section : std::uint8_t { Top, Agent, Provider, Account, Access };

using Option = config::OptionOf<Section>;
using config::Support;

[[nodiscard]] std::span<const Option> all_options() noexcept;
/// The keys of one section, for reject_unknown() and suggestions.
[[nodiscard]] std::vector<std::string_view> option_names(Section section);

}  // namespace postbearer::agent
