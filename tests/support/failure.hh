// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>
#include <string>

namespace postbearer::test {

/// What a test rig could not do. The owners on the stack put everything away, and Boost.Test
/// reports the sentence; nothing outside tests/ may throw.
class TestFailure : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

[[noreturn]] void fail(const std::string& what);
/// `what` and strerror(errno).
[[noreturn]] void fail_errno(const std::string& what);

}  // namespace postbearer::test
