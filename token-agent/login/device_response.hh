// SPDX-License-Identifier: Apache-2.0
#pragma once

// A device authorization response (RFC 8628 section 3.2), and what providers make of it.

#include <chrono>
#include <string>
#include <string_view>

#include "common/result.hh"
#include "common/secret.hh"

namespace postbearer::agent {

struct DeviceGrant {
    Secret device_code;
    std::string user_code;
    std::string verification_uri;
    std::string verification_uri_complete;  // may be empty
    std::string message;                    // the server's own words to the user; may be empty
    std::chrono::seconds expires_in{0};
    std::chrono::seconds interval{5};
};

inline constexpr std::chrono::seconds kDefaultInterval{5};
inline constexpr std::chrono::seconds kMaxInterval{300};
inline constexpr std::chrono::seconds kMaxDeviceLife{3600};

/// `body` is a JSON object. Numbers may be strings; `verification_url` (Google) stands for
/// `verification_uri`; without expires_in the code is taken to live as long as Entra's, 15 minutes.
/// What is shown to the user must be printable and short, code and URIs visible ASCII, a URI https
/// (http for a loopback address if that is allowed); a complete URI or message that is not so is
/// left out.
/// Error: Protocol, a clause that quotes nothing.
[[nodiscard]] Result<DeviceGrant> read_device_response(std::string_view body,
                                                       bool allow_http_loopback);

}  // namespace postbearer::agent
