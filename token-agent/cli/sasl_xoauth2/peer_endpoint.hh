// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "common/result.hh"

namespace postbearer::cli {

/// What sasl-xoauth2 uses where nothing is configured.
inline constexpr std::string_view kPeerDefaultEndpoint =
    "https://accounts.google.com/o/oauth2/token";

/// A token endpoint in the words of [provider].
struct PeerEndpoint {
    std::string type;
    std::string cloud;
    std::string tenant;
    std::string token_endpoint;         // oidc only
    bool national_cloud_guess = false;  // gcc-high and dod share their hosts
};

/// Error: Config, what is wrong with it.
[[nodiscard]] Result<PeerEndpoint> read_peer_endpoint(const std::string& url);

}  // namespace postbearer::cli
