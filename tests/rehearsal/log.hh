// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <string>
#include <utility>

namespace postbearer::rehearsal {

/// One line on stderr: `event=NAME key=value ...`; values with blanks are quoted, control
/// characters replaced.
void log_line(const char* event, std::initializer_list<std::pair<const char*, std::string>> fields);

}  // namespace postbearer::rehearsal
