// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a disk does that a test cannot ask of a real one. SQLite's system calls go through a table
// that can be changed (sqlite3_vfs.xSetSystemCall), and its syncs through the C library, where the
// test program's own fsync() and fdatasync() count them and do nothing: no test loses power.

#include <functional>

namespace postbearer::test {

/// Syncs by anybody in this process since the program began.
[[nodiscard]] int syncs() noexcept;

enum class Fault {
    Full,      // writing gives ENOSPC
    ReadOnly,  // opening for writing gives EROFS, and writing as well
    Broken     // reading and writing give EIO
};

/// SQLite meets the fault for as long as this lives.
class DiskFault {
public:
    explicit DiskFault(Fault fault);
    ~DiskFault();
    DiskFault(const DiskFault&) = delete;
    DiskFault& operator=(const DiskFault&) = delete;
    DiskFault(DiskFault&&) = delete;
    DiskFault& operator=(DiskFault&&) = delete;
};

/// What happens to one read of SQLite's, for as long as this lives; the read after it is sound.
class ReadFault {
public:
    enum class Harm { Error, Garbage };  // EIO, or other bytes than those on the disk
    /// The `reads`-th, counted from 1.
    ReadFault(int reads, Harm harm);
    ~ReadFault();
    ReadFault(const ReadFault&) = delete;
    ReadFault& operator=(const ReadFault&) = delete;
    ReadFault(ReadFault&&) = delete;
    ReadFault& operator=(ReadFault&&) = delete;
    /// False: there were fewer reads.
    [[nodiscard]] static bool met() noexcept;
};

/// OpenSSL derives no keys for as long as this lives, as when memory has run out.
class KeyFault {
public:
    KeyFault() noexcept;
    ~KeyFault();
    KeyFault(const KeyFault&) = delete;
    KeyFault& operator=(const KeyFault&) = delete;
    KeyFault(KeyFault&&) = delete;
    KeyFault& operator=(KeyFault&&) = delete;
};

/// Runs `work` in a child that is killed (SIGKILL) by its `writes`-th write to a disk, before or
/// after that write by turns. False: it came to its end first.
[[nodiscard]] bool killed_at_write(int writes, const std::function<void()>& work);

}  // namespace postbearer::test
