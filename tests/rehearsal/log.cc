// SPDX-License-Identifier: Apache-2.0
#include "log.hh"

#include <algorithm>
#include <cstdio>

namespace postbearer::rehearsal {
namespace {

std::string quoted(std::string value) {
    std::replace_if(
        value.begin(), value.end(),
        [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == 0x7f; }, '?');
    const bool plain = !value.empty() && value.find(' ') == std::string::npos;
    return plain ? value : '"' + value + '"';
}

}  // namespace

void log_line(const char* event,
              std::initializer_list<std::pair<const char*, std::string>> fields) {
    std::string line = std::string("event=") + event;
    for (const auto& [name, value] : fields) {
        line += std::string(" ") + name + "=" + quoted(value);
    }
    line += '\n';
    (void)std::fwrite(line.data(), 1, line.size(), stderr);  // nowhere to report a failure
}

}  // namespace postbearer::rehearsal
