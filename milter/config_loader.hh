// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "common/config/host.hh"
#include "milter/config.hh"

namespace postbearer::milter {

struct LoadedConfig {
    std::shared_ptr<const MilterConfig> config;
    std::vector<std::string> warnings;  // `FILE:LINE:COL: text`
};

/// Errors: all of them in one run, `FILE:LINE:COL: what; did you mean ...?` (design 4.3).
using ConfigResult = tl::expected<LoadedConfig, std::vector<std::string>>;

[[nodiscard]] ConfigResult load_config(const std::string& path, const config::ConfigHost& host);
[[nodiscard]] ConfigResult load_config(const std::string& path);

/// The same of a text; `name` stands for the file.
[[nodiscard]] ConfigResult load_config_text(const std::string& name, std::string_view text,
                                            const config::ConfigHost& host);

}  // namespace postbearer::milter
