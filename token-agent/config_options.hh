// SPDX-License-Identifier: Apache-2.0
#pragma once

// Every key of agent.toml, once: the loader takes its known keys from here, a test compares the
// table with postbearer-agent.toml(5) and conf/agent.toml.

#include <cstdint>
#include <span>
#include <string_view>

namespace postbearer::agent {

enum class Section : std::uint8_t { Top, Agent, Provider, Account, Access };

enum class Support : std::uint8_t {
    Used,
    Unused,  // checked and accepted, without effect yet
    Refused  // it would change what happens, and this version cannot
};

struct Option {
    Section section;
    std::string_view name;
    std::string_view type;
    std::string_view default_value;  // as TOML; empty: none
    std::string_view help;
    Support support = Support::Used;
};

[[nodiscard]] std::span<const Option> all_options() noexcept;
/// The keys of one section, for reject_unknown() and suggestions.
[[nodiscard]] std::span<const std::string_view> option_names(Section section);

}  // namespace postbearer::agent
