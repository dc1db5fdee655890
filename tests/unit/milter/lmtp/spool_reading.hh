// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <iterator>
#include <string>

#include "milter/lmtp/spooled_message.hh"
#include "tests/support/failure.hh"

namespace postbearer::milter {

/// The whole file, whatever its offset is.
inline std::string file_content(int fd) {
    std::string content;
    std::string buffer(1U << 20U, '\0');
    for (;;) {
        const ssize_t got =
            ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(content.size()));
        if (got < 0) {
            test::fail_errno("pread");
        }
        if (got == 0) {
            return content;
        }
        content.append(buffer, 0, static_cast<std::size_t>(got));
    }
}

/// The message; fails if header, offset, size and file do not agree.
inline std::string content_of(const SpooledMessage& message) {
    std::string content = file_content(message.file.get());
    if (content.size() != message.size || message.body_offset != message.header.size() ||
        content.compare(0, message.header.size(), message.header) != 0 ||
        message.body_bytes() != content.size() - message.header.size()) {
        test::fail("the parts of the spooled message do not agree");
    }
    return content;
}

inline std::size_t open_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

}  // namespace postbearer::milter
