// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/files.hh"

namespace postbearer::test {

/// A private directory below TMPDIR or /tmp (short: Unix sockets live in it), 0755 so that daemons
/// under their own uid can pass through. It is removed at the end, unless POSTBEARER_KEEP is set
/// or the test failed.
class TempDir {
public:
    explicit TempDir(const std::string& name = "pb-e2e");
    ~TempDir();
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    TempDir(TempDir&&) = delete;
    TempDir& operator=(TempDir&&) = delete;

    [[nodiscard]] const Path& path() const noexcept { return path_; }
    [[nodiscard]] Path operator/(const Path& child) const { return path_ / child; }

private:
    Path path_;
};

/// Whether the running test failed so far. The test runner sets the probe; without one, only an
/// exception on its way counts.
void set_failure_probe(bool (*probe)());
[[nodiscard]] bool test_failed();

}  // namespace postbearer::test
