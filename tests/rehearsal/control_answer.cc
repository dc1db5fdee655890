// SPDX-License-Identifier: Apache-2.0
#include "control_answer.hh"

#include <charconv>

namespace postbearer::rehearsal {

ControlAnswer control_fault(unsigned status, const std::string& what) {
    ControlAnswer answer;
    answer.status = status;
    answer.body["error"] = what;
    return answer;
}

ControlAnswer nothing_there() {
    return control_fault(404, "no such thing; see tests/rehearsal/README.md");
}

std::optional<std::uint64_t> parse_number(const std::string& text) {
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    return error == std::errc() && stop == end ? std::optional(number) : std::nullopt;
}

}  // namespace postbearer::rehearsal
