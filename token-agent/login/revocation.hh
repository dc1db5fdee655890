// SPDX-License-Identifier: Apache-2.0
#pragma once

// The end of a token at its provider (RFC 7009), for a logout alone: section 2.1 lets the server
// end all that the same grant gave, Google whatever the user ever granted to this client.

#include <cstdint>
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

}  // namespace postbearer::agent
