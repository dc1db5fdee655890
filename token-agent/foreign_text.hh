// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace postbearer::agent {

/// Words of a server, fit for a log line: one printable line of at most `max_bytes`, with anything
/// that looks like a token, key or password replaced by "[...]". Empty if it holds one of
/// `redacted`: a server may quote what we sent.
[[nodiscard]] std::string quotable(std::string_view text, std::size_t max_bytes,
                                   const std::vector<std::string_view>& redacted);

/// For identifiers (`error`, trace ids): letters, digits, '_', '-' and '.' only, at most 64 bytes;
/// empty if it is anything else or holds one of `redacted`.
[[nodiscard]] std::string identifier(std::string_view text,
                                     const std::vector<std::string_view>& redacted);

}  // namespace postbearer::agent
