// SPDX-License-Identifier: Apache-2.0
#pragma once

// What must be true of the files before SQLite sees them: a directory that only we can change, and
// files that only we can read. Symbolic links are refused. All refusals are Config with the command
// that mends it.

#include <string>

#include "common/clock.hh"
#include "common/result.hh"

namespace postbearer::agent {

/// What stands beside the database while it is open, or after a crash.
inline constexpr const char* kCompanions[] = {"-wal", "-shm", "-journal"};

/// The directory of `path` exists, belongs to us or to root, and has no bits for group and others.
[[nodiscard]] Result<void> check_store_directory(const std::string& path);

enum class StoreFile : std::uint8_t { Created, Existing };

/// The file and its companions are ours and closed to others; a missing file is made, empty, 0600
/// whatever the umask. Unavailable: it cannot be made (disk full, read-only).
[[nodiscard]] Result<StoreFile> prepare_store_file(const std::string& path);

/// Renames file and companions to `path`.corrupt-YYYYMMDDHHMMSS (and -wal ...), never onto another.
/// The new name. Unavailable: the directory cannot be written.
[[nodiscard]] Result<std::string> set_aside(const std::string& path, WallTime now);

/// An empty file that did not exist before, 0600.
[[nodiscard]] Result<void> create_private_file(const std::string& path);
/// Content and name are on disk.
[[nodiscard]] Result<void> sync_file(const std::string& path);
[[nodiscard]] Result<void> sync_directory_of(const std::string& path);
/// To a name that was free, `to` or `to`.1 and so on, which is returned; sync_directory_of() is the
/// caller's.
[[nodiscard]] Result<std::string> rename_to_new(const std::string& from, const std::string& to);

/// UTC, as in file names.
[[nodiscard]] std::string compact_time(WallTime now);

/// Device and inode of what `path` names now, or 0, 0.
struct FileIdentity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    bool operator==(const FileIdentity&) const = default;
};
[[nodiscard]] FileIdentity identity_of(const std::string& path) noexcept;
[[nodiscard]] std::uint64_t size_of(const std::string& path) noexcept;

}  // namespace postbearer::agent
