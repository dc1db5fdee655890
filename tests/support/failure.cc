// SPDX-License-Identifier: Apache-2.0
#include "tests/support/failure.hh"

#include <cerrno>
#include <cstring>

namespace postbearer::test {

void fail(const std::string& what) { throw TestFailure(what); }

void fail_errno(const std::string& what) {
    fail(what + ": " + std::strerror(errno));  // NOLINT(concurrency-mt-unsafe): one thread
}

}  // namespace postbearer::test
