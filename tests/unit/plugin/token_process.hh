// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>

#include "common/unique_fd.hh"
#include "tests/support/files.hh"
#include "tests/unit/plugin/memory_scan.hh"

namespace postbearer::test {

inline constexpr std::size_t kSecretTokenBytes = 1900;

/// A scripted agent in a process of its own, so that this process holds the token only where the
/// plugin puts it.
class TokenProcess {
public:
    explicit TokenProcess(const Path& socket);
    ~TokenProcess();
    TokenProcess(const TokenProcess&) = delete;
    TokenProcess& operator=(const TokenProcess&) = delete;
    TokenProcess(TokenProcess&&) = delete;
    TokenProcess& operator=(TokenProcess&&) = delete;

    [[nodiscard]] static MaskedText masked_token();

private:
    pid_t child_ = -1;
    UniqueFd stop_;
};

/// Copies of any 24 bytes of the token's begin, middle or end in this process.
[[nodiscard]] std::size_t token_pieces_in_memory();

}  // namespace postbearer::test
