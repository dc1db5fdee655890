// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the browser brought back (RFC 6749 sections 4.1.2 and 4.1.2.1, RFC 9207), as somebody pasted
// it or a listener took it: hostile until its state is known.

#include <optional>
#include <string>
#include <string_view>

#include "common/result.hh"
#include "common/secret.hh"

namespace postbearer::agent {

struct RedirectAnswer {
    Secret code;  // or
    std::string error;
    std::string error_description;  // printable
    Secret state;                   // may be empty
    std::optional<std::string> issuer;
};

inline constexpr std::size_t kMaxRedirectAnswerBytes = 16UL * 1024;

/// `text`: the whole URL, its path and query, the query, or the parameters alone. A URL must lead
/// to `redirect_uri`. Parameters in a fragment count where the query has none. Unknown parameters
/// are ignored, known ones may stand once.
/// Error: Protocol; a sentence for the operator that quotes none of it.
[[nodiscard]] Result<RedirectAnswer> read_redirect(std::string_view text,
                                                   const std::string& redirect_uri);

}  // namespace postbearer::agent
