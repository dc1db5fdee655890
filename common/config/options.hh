// SPDX-License-Identifier: Apache-2.0
#pragma once

// A program's keys stand in one table: its loader takes the known keys from there, a test compares
// it with the man page and the sample.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/reader.hh"

namespace postbearer::config {

enum class Support : std::uint8_t {
    Used,
    Unused,  // checked and accepted, without effect yet
    Refused  // it would change what happens, and this version cannot
};

template <typename Section>
struct OptionOf {
    Section section;
    std::string_view name;
    std::string_view type;
    std::string_view default_value;  // as TOML; empty: none
    std::string_view help;
    Support support = Support::Used;
};

/// The keys of one section, for reject_unknown() and suggestions.
template <typename Section>
[[nodiscard]] std::vector<std::string_view> names_in(std::span<const OptionOf<Section>> options,
                                                     Section section) {
    std::vector<std::string_view> names;
    for (const OptionOf<Section>& option : options) {
        if (option.section == section) {
            names.push_back(option.name);
        }
    }
    return names;
}

/// Records the keys of `table` that are unknown or refused. `where` is "[agent]", for the message.
template <typename Section>
void check_keys(const Table& table, std::span<const OptionOf<Section>> options, Section section,
                std::string_view where) {
    table.reject_unknown(names_in(options, section), where);
    for (const OptionOf<Section>& option : options) {
        if (option.section != section || option.support != Support::Refused) {
            continue;
        }
        if (const auto value = table.find(option.name)) {
            table.problems().error(value->position(),
                                   std::string(option.name) + " is not supported by this version");
        }
    }
}

}  // namespace postbearer::config
