// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.hh"
#include "common/unique_fd.hh"

namespace postbearer::milter {

/// Makes the file a message goes into: readable, writable, empty, without a name.
using OpenSpoolFile = std::function<Result<UniqueFd>()>;

/// O_TMPFILE in `directory`, or a named file that is unlinked at once where the file system lacks
/// that. Mode 0600. Error: Unavailable, naming directory and cause.
[[nodiscard]] Result<UniqueFd> open_spool_file(const std::string& directory);

/// The second way of open_spool_file().
[[nodiscard]] Result<UniqueFd> open_unlinked_file(const std::string& directory);

/// Gathers small pieces into writes of 64 KiB. The first failure is kept for finish(), and what
/// comes after it is dropped, so that a reader can go on to the end of the message.
class SpoolFile {
public:
    /// `directory` is for the words of errors.
    SpoolFile(UniqueFd file, std::string directory)
        : file_(std::move(file)), directory_(std::move(directory)) {}

    void write(std::string_view piece);
    /// Gives the disk back now; what is written from here on is dropped.
    void discard() noexcept;
    /// The whole file. Error: Unavailable.
    [[nodiscard]] Result<UniqueFd> finish();

private:
    void write_out(std::string_view bytes);

    UniqueFd file_;
    std::string directory_;
    std::string gathered_;
    std::optional<Error> failure_;
};

}  // namespace postbearer::milter
