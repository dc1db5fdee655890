// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/secret.hh"

namespace postbearer {

/// RFC 4648 section 4, padded.
[[nodiscard]] WipedBytes base64_encode(std::string_view bytes);

/// RFC 4648 section 5 without padding, as JOSE has it (RFC 7515 section 2).
[[nodiscard]] WipedBytes base64url_encode(std::string_view bytes);

/// Standard (section 4) or URL-safe (section 5) alphabet, padding optional, nothing else allowed.
[[nodiscard]] std::optional<WipedBytes> base64_decode(std::string_view text);

}  // namespace postbearer
