// SPDX-License-Identifier: Apache-2.0
#pragma once

// RFC 2047 words, read only to see whether an address hides in them.

#include <optional>
#include <string>
#include <string_view>

namespace postbearer::milter {

/// The ASCII characters that the encoded words of `text` stand for, one after the other; bytes that
/// are part of a multi-byte character are left out. nullopt: one of the words cannot be decoded, or
/// its charset is not known here.
[[nodiscard]] std::optional<std::string> ascii_of_encoded_words(std::string_view text);

}  // namespace postbearer::milter
