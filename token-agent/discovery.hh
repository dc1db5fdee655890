// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.hh"
#include "common/http/http_client.hh"
#include "common/result.hh"

namespace postbearer::agent {

/// What an authorization server says of itself. Empty: it does not say.
struct ServerMetadata {
    std::string issuer;
    std::string token_endpoint;
    std::string authorization_endpoint;
    std::string device_authorization_endpoint;
    std::string revocation_endpoint;
    std::vector<std::string> token_auth_methods;
    std::vector<std::string> scopes;
    bool sends_issuer = false;  // RFC 9207: `iss` stands in every authorization response
    /// Whether code_challenge_methods_supported holds S256 (RFC 7636); nullopt: it is not there.
    std::optional<bool> checks_s256;
    std::vector<std::string> token_auth_algorithms;  // for assertions; empty: not said
};

/// Reads a metadata document (OpenID Connect Discovery 1.0, RFC 8414). `issuer` in it must equal
/// the configured one byte for byte, and its endpoints must be https (or loopback http where that
/// is allowed). Error: Protocol, no such document; Config, one that is not ours to use.
[[nodiscard]] Result<ServerMetadata> read_metadata(std::string_view document,
                                                   const std::string& issuer,
                                                   bool allow_http_loopback);

/// The two places to look: ISSUER/.well-known/openid-configuration, then RFC 8414's
/// HOST/.well-known/oauth-authorization-server/PATH. Error: Config.
[[nodiscard]] Result<std::vector<std::string>> metadata_urls(const std::string& issuer,
                                                             bool allow_http_loopback);

/// Finds and remembers metadata, per issuer and transport: good for 24 hours, and longer while no
/// newer copy can be had. One lookup at a time, however many ask; after a failure the next one
/// waits 10 s, doubling to 5 min, and until then the failure is the answer.
///
/// Must not outlive the client and the clock. Callbacks of a lookup in flight never run once it is
/// destroyed.
class Discovery {
public:
    static constexpr std::chrono::hours kGoodFor{24};
    static constexpr std::chrono::seconds kFirstPause{10};
    static constexpr std::chrono::seconds kLongestPause{300};

    using Metadata = std::shared_ptr<const ServerMetadata>;
    using Done = std::function<void(Result<Metadata>)>;

    Discovery(http::HttpClient& client, const Clock& clock);
    Discovery(const Discovery&) = delete;
    Discovery& operator=(const Discovery&) = delete;
    Discovery(Discovery&&) = delete;
    Discovery& operator=(Discovery&&) = delete;
    ~Discovery();

    /// Calls `done` once: inside this call if the answer is known, else when it is.
    /// Errors: Unavailable, Timeout, Protocol (retry later), Config (a human must act).
    void find(const std::string& issuer, const http::Transport& transport, Done done);

private:
    struct Room;
    std::shared_ptr<Room> room_;
};

}  // namespace postbearer::agent
