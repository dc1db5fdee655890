// SPDX-License-Identifier: Apache-2.0
#pragma once

// Every key of milter.toml, once: the loader takes its known keys from here, a test compares the
// table with postbearer-milter.toml(5) and conf/milter.toml.

#include <cstdint>
#include <span>

#include "common/config/options.hh"

namespace postbearer::milter {

enum class Section : std::uint8_t { Top, Milter, Graph, Route };
using Option = config::OptionOf<Section>;

[[nodiscard]] std::span<const Option> all_options() noexcept;

}  // namespace postbearer::milter
