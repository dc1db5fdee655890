// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "token-agent/config.hh"

namespace postbearer::test {

/// The provider's only credential.
inline void set_client_secret(agent::ProviderConfig& provider, std::string_view text) {
    agent::ClientCredential credential;
    credential.secret = std::make_shared<const Secret>(text);
    provider.credentials = {std::move(credential)};
}

/// Of the first credential; empty: there is none.
inline std::string client_secret_of(const agent::ProviderConfig& provider) {
    return provider.credentials.empty() || provider.credentials.front().secret == nullptr
               ? std::string()
               : std::string(provider.credentials.front().secret->reveal());
}

}  // namespace postbearer::test
