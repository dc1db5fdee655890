// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "common/http/http_client.hh"
#include "token-agent/token_failure.hh"
#include "token-agent/token_source.hh"

namespace postbearer::agent {

/// What a token endpoint hands out.
struct TokenAnswer {
    FetchedToken token;
    /// Visible ASCII. One that is not is left out with refresh_token_lost set: the access token
    /// beside it is good all the same.
    std::optional<Secret> refresh_token;
    std::optional<Secret> id_token;  // not verified
    /// There is one that cannot be a JWT. Whoever wants to know who signed in must not go on.
    bool id_token_unusable = false;
    std::string scope;  // as granted, printable; empty: not said
    bool refresh_token_lost = false;
};
using TokenAnswerResult = tl::expected<TokenAnswer, FetchFailure>;

/// Room for the other attributes in an answer of agent.sock (64 KiB).
inline constexpr std::size_t kMaxTokenBytes = 48 * 1024;
/// Those of Entra have 1 to 2 KiB.
inline constexpr std::size_t kMaxRefreshTokenBytes = 16 * 1024;
inline constexpr std::size_t kMaxScopeBytes = 2048;
/// RFC 6749 5.1 only recommends expires_in; an hour is what providers mean by leaving it out.
inline constexpr std::chrono::seconds kAssumedLifetime{3600};
inline constexpr std::chrono::seconds kMaxLifetime{30L * 24 * 3600};

/// b64token of RFC 6750 section 2.1, at most kMaxTokenBytes: what goes into SASL and HTTP
/// unchanged.
[[nodiscard]] bool is_bearer_token(std::string_view text) noexcept;

/// 1 to kMaxRefreshTokenBytes visible ASCII characters, blanks among them (RFC 6749 appendix A.17).
[[nodiscard]] bool is_refresh_token(std::string_view text) noexcept;

/// A token endpoint's answer (RFC 6749 5.1, 5.2). A token needs status 200 and a JSON object with
/// an access_token of type Bearer in any case of letters (none is taken as Bearer).
[[nodiscard]] TokenAnswerResult read_token_response(const http::Response& response,
                                                    const AnswerContext& context);

}  // namespace postbearer::agent
