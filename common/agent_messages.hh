// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is said over agent.sock, as types: requests, answers, and the closed vocabularies of class,
// code and resource. Both ends use these functions, so they cannot disagree.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "common/agent_protocol.hh"
#include "common/clock.hh"
#include "common/result.hh"
#include "common/secret.hh"

namespace postbearer::protocol {

enum class Resource : std::uint8_t { Smtp, Imap, Pop, Graph };
inline constexpr Resource kResources[] = {Resource::Smtp, Resource::Imap, Resource::Pop,
                                          Resource::Graph};

enum class FailureClass : std::uint8_t {
    Transient,
    NeedsUser,
    NeedsAdmin,
    Denied,
    UnknownAccount,
    BadRequest
};

enum class FailureCode : std::uint8_t {
    Timeout,
    Network,
    Throttled,
    ProviderError,
    BadResponse,
    TooShort,
    StoreUnwritable,
    InvalidGrant,
    InteractionRequired,
    InvalidClient,
    UnauthorizedClient,
    InvalidScope,
    CertExpired,
    NotLoggedIn,
    AccessDenied,
    NoAccount,
    Syntax
};

[[nodiscard]] std::string_view name_of(Resource resource) noexcept;
[[nodiscard]] std::string_view name_of(FailureClass failure_class) noexcept;
[[nodiscard]] std::string_view name_of(FailureCode code) noexcept;
[[nodiscard]] std::optional<Resource> resource_from(std::string_view name) noexcept;
[[nodiscard]] std::optional<FailureClass> failure_class_from(std::string_view name) noexcept;
[[nodiscard]] std::optional<FailureCode> failure_code_from(std::string_view name) noexcept;

inline constexpr std::chrono::milliseconds kDefaultWait{5'000};
inline constexpr std::chrono::milliseconds kMaxWait{30'000};
inline constexpr std::size_t kMaxSentenceBytes = 400;

/// request=token
struct TokenRequest {
    std::string account;
    Resource resource = Resource::Smtp;
    std::string host;  // the server the token is for; a hint, may be empty
    std::optional<std::chrono::seconds> min_valid;
    std::optional<std::chrono::milliseconds> wait;
};

/// request=rejected: a server refused the token with this fingerprint.
struct RejectedReport {
    std::string account;
    Resource resource = Resource::Smtp;
    std::string fingerprint;  // 8 hex digits, as handed out
    std::string detail;       // what the server said
    std::string claims;       // base64 of a claims challenge, may be empty
};

/// request=ping
struct Ping {};

using Request = std::variant<TokenRequest, RejectedReport, Ping>;

/// status=ok to request=token
struct TokenGrant {
    Secret token;
    std::string user;  // the name to use in XOAUTH2 / OAUTHBEARER
    WallTime expires_at;
    std::string fingerprint;  // first 8 hex digits of SHA-256 of the token
    std::string token_type = "Bearer";
};

/// The same as views, for the side that keeps the token and only lends it to an answer.
struct TokenGrantView {
    std::string_view token;
    std::string_view user;
    WallTime expires_at;
    std::string_view fingerprint;
    std::string_view token_type;
};

/// status=error
struct AgentFailure {
    FailureClass failure_class = FailureClass::Transient;
    FailureCode code = FailureCode::Network;
    std::string message;  // one plain sentence, at most kMaxSentenceBytes, no secret
    std::optional<std::chrono::seconds> retry_after;
    std::string hint;  // AADSTSn, may be empty
};

enum class RejectedAction : std::uint8_t { Refreshed, Stale, RateLimited };
[[nodiscard]] std::string_view name_of(RejectedAction action) noexcept;

using TokenAnswer = tl::expected<TokenGrant, AgentFailure>;

[[nodiscard]] Secret encode(const TokenRequest& request);
[[nodiscard]] Secret encode(const RejectedReport& report);
[[nodiscard]] Secret encode(const Ping& ping);

/// Error: the bad_request/syntax failure to answer with.
[[nodiscard]] tl::expected<Request, AgentFailure> decode_request(std::string_view block);

[[nodiscard]] Secret encode(const TokenGrantView& grant);
[[nodiscard]] Secret encode(const AgentFailure& failure);
[[nodiscard]] Secret encode(RejectedAction action);
[[nodiscard]] Secret encode_pong(std::string_view version);

/// A garbled answer comes back as class BadRequest with a sentence of ours.
[[nodiscard]] TokenAnswer decode_token_answer(std::string_view block);

}  // namespace postbearer::protocol
