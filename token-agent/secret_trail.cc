// SPDX-License-Identifier: Apache-2.0
#include "token-agent/secret_trail.hh"

#include <string.h>

#include <array>
#include <cstddef>

namespace postbearer::agent {
namespace {

/// Deeper than libcurl, OpenSSL and our own code go below the loop.
constexpr std::size_t kStackBytes = 128UL * 1024;

bool noted = false;  // one thread: the loop's

#if defined(__clang__)
__attribute__((noinline))
#else
__attribute__((noipa))
#endif
void overwrite_stack() noexcept {
    std::array<char, kStackBytes> below;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    ::explicit_bzero(below.data(), below.size());
}

}  // namespace

void note_secret_trail() noexcept { noted = true; }

void wipe_secret_trail() noexcept {
    if (noted) {
        noted = false;
        overwrite_stack();
    }
}

}  // namespace postbearer::agent
