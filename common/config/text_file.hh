// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <string>

#include "common/result.hh"
#include "common/unique_fd.hh"

namespace postbearer::config {

inline constexpr std::size_t kMaxConfigBytes = 64U * 1024 * 1024;

struct OpenFile {
    UniqueFd fd;
    struct stat status {};
};

/// Opens a regular file for reading; never waits for the writer of a FIFO. Error: Config, with a
/// text that reads on after the file's name ("cannot be opened: Permission denied").
[[nodiscard]] Result<OpenFile> open_regular_file(const std::string& path);

struct TextFile {
    std::string text;
    bool writable_by_all = false;
};

/// The whole file. Error: Config, worded as above.
[[nodiscard]] Result<TextFile> read_text_file(const std::string& path,
                                              std::size_t max_bytes = kMaxConfigBytes);

/// strerror(3) without its shared buffer.
[[nodiscard]] std::string system_error_text(int error_number);

}  // namespace postbearer::config
