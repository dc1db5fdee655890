// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/unique_fd.hh"

namespace postbearer::milter {

/// A message after DATA: dots removed, CRLF line ends as they came. The header section lies in
/// memory, the body in a nameless file, read with pread(2).
struct SpooledMessage {
    std::string header;  // through the empty line; a message without body may lack it
    UniqueFd file;       // the whole message, header included
    std::uint64_t body_offset = 0;
    std::uint64_t size = 0;       // of the whole message
    bool bare_line_feed = false;  // an LF without CR, anywhere: never sent to Graph (NDR 5.6.11)
    [[nodiscard]] std::uint64_t body_bytes() const noexcept { return size - body_offset; }
};

}  // namespace postbearer::milter
