// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.hh"
#include "common/secret.hh"
#include "common/unique_fd.hh"

namespace postbearer::cli {

enum class Existing : std::uint8_t { Keep, Replace };

/// A file that appears whole or not at all: written under another name beside it, synced, renamed.
/// Without commit() nothing is left. Errors: Config, a sentence that names the file.
class NewFile {
public:
    /// The mode is exact, whatever the umask. `owner`: given away to, where that is not us.
    [[nodiscard]] static Result<NewFile> create(const std::string& path, mode_t mode,
                                                std::optional<uid_t> owner = {});

    NewFile(NewFile&& other) noexcept;
    NewFile& operator=(NewFile&&) = delete;
    NewFile(const NewFile&) = delete;
    NewFile& operator=(const NewFile&) = delete;
    ~NewFile();

    [[nodiscard]] Result<void> append(std::string_view bytes);
    /// Existing::Keep: fails if there is a file of that name by now.
    [[nodiscard]] Result<void> commit(Existing existing);

private:
    NewFile(std::string path, std::string temporary, UniqueFd fd);

    std::string path_;
    std::string temporary_;  // empty: nothing is to be removed
    UniqueFd fd_;
};

/// Makes one directory, or finds it there.
[[nodiscard]] Result<void> make_directory(const std::string& path, mode_t mode,
                                          std::optional<uid_t> owner = {});

/// The whole file in wiped memory. Error: Config, a sentence that names the file.
[[nodiscard]] Result<Secret> read_whole_file(const std::string& path, std::size_t max_bytes);

}  // namespace postbearer::cli
