// SPDX-License-Identifier: Apache-2.0
#include "token-agent/secret_trail.hh"

#include <string.h>

#include <array>
#include <cstddef>

namespace postbearer::agent {
namespace {

/// Deeper than libcurl, OpenSSL and our own code go below the loop.
constexpr std::size_t kStackBytes = 128UL * 1024;

/// What began in one turn goes on in those after it: libraries tidy up, a store answers.
constexpr int kTurns = 16;

int turns_to_wipe = 0;  // one thread: the loop's

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

void note_secret_trail() noexcept { turns_to_wipe = kTurns; }

void wipe_secret_trail() noexcept {
    if (turns_to_wipe > 0) {
        --turns_to_wipe;
        overwrite_stack();
    }
}

}  // namespace postbearer::agent
