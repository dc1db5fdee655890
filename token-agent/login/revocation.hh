// SPDX-License-Identifier: Apache-2.0
#pragma once

// The end of a token at its provider (RFC 7009).

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/clock.hh"
#include "common/http/http_client.hh"
#include "common/secret.hh"
#include "token-agent/config.hh"

namespace postbearer::agent {

struct RevocationWish {
    std::shared_ptr<const AgentConfig> config;
    std::uint32_t provider = 0;
    std::string endpoint;

    [[nodiscard]] const ProviderConfig& provider_config() const {
        return config->providers.at(provider);
    }
};

/// `public_client`: the token was got without client authentication, and goes without.
[[nodiscard]] http::Request revocation_request(const RevocationWish& wish,
                                               const Secret& refresh_token, bool public_client,
                                               WallTime now);

/// Empty: the provider knows the token no more. Else a sentence without its end.
[[nodiscard]] std::string why_not_revoked(const Result<http::Response>& answer,
                                          const ProviderConfig& provider);

/// Revokes what a login got and nobody keeps, and waits for nothing.
using Discard = std::function<void(const Secret& refresh_token, bool public_client)>;

/// Does nothing where the endpoint is empty. Must not outlive the client and the clock.
[[nodiscard]] Discard discard_by(http::HttpClient& client, const Clock& clock, RevocationWish wish);

}  // namespace postbearer::agent
