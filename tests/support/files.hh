// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace postbearer::test {

using Path = std::filesystem::path;

/// The whole file, or from `offset` on; empty when it is not there.
[[nodiscard]] std::string read_file(const Path& path, std::size_t offset = 0);
/// Creates missing directories (0755). The mode is exact, whatever the umask.
void write_file(const Path& path, std::string_view content, mode_t mode = 0644);
/// Creates missing parents (0755); owner by name, the group of that user unless named.
void make_directory(const Path& path, mode_t mode = 0755, const std::string& owner = "",
                    const std::string& group = "");
void set_owner(const Path& path, const std::string& owner, const std::string& group = "");
[[nodiscard]] std::size_t size_of_file(const Path& path);

[[nodiscard]] std::vector<std::string> split_lines(std::string_view text);
/// The last `lines` lines, for failure messages.
[[nodiscard]] std::string tail(const Path& path, std::size_t lines = 30);

[[nodiscard]] uid_t uid_of(const std::string& user);
[[nodiscard]] gid_t gid_of_group(const std::string& group);

}  // namespace postbearer::test
