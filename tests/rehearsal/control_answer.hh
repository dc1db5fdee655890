// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <cstdint>
#include <optional>
#include <string>

namespace postbearer::rehearsal {

struct ControlAnswer {
    unsigned status = 200;
    Json::Value body{Json::objectValue};
};

[[nodiscard]] ControlAnswer control_fault(unsigned status, const std::string& what);
[[nodiscard]] ControlAnswer nothing_there();
/// All of it, or nothing.
[[nodiscard]] std::optional<std::uint64_t> parse_number(const std::string& text);

}  // namespace postbearer::rehearsal
