// SPDX-License-Identifier: Apache-2.0
#include "tests/support/temp_dir.hh"

#include <stdlib.h>
#include <sys/stat.h>

#include <cstdio>
#include <exception>

#include "tests/support/failure.hh"

namespace postbearer::test {
namespace {

bool (*failure_probe)() = nullptr;

std::string base_directory() {
    const char* base = ::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe)
    return base != nullptr && *base == '/' ? base : "/tmp";
}

}  // namespace

TempDir::TempDir(const std::string& name) {
    std::string pattern = base_directory() + "/" + name + "-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr || ::chmod(pattern.c_str(), 0755) != 0) {
        fail_errno("cannot make " + pattern);
    }
    path_ = pattern;
}

TempDir::~TempDir() {
    if (::getenv("POSTBEARER_KEEP") != nullptr || test_failed()) {  // NOLINT(concurrency-mt-unsafe)
        std::fprintf(stderr, "kept: %s\n", path_.c_str());
        return;
    }
    std::error_code error;
    std::filesystem::remove_all(path_, error);
    if (error) {
        std::fprintf(stderr, "cannot remove %s: %s\n", path_.c_str(), error.message().c_str());
    }
}

void set_failure_probe(bool (*probe)()) { failure_probe = probe; }

bool test_failed() {
    return std::uncaught_exceptions() > 0 || (failure_probe != nullptr && failure_probe());
}

}  // namespace postbearer::test
