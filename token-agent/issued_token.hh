// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "common/clock.hh"
#include "common/secret.hh"

namespace postbearer::agent {

/// First 8 hex digits of SHA-256: names a token in logs without showing any of it.
[[nodiscard]] std::string fingerprint_of(const Secret& token);

/// An access token as we got it; immutable.
struct IssuedToken {
    Secret token;
    std::string token_type;
    std::string fingerprint;
    std::chrono::milliseconds life{};
    BootTime issued_boot;  // life is measured on the clock that never jumps
    WallTime expires_wall;
    std::optional<std::chrono::seconds> refresh_in;

    [[nodiscard]] BootTime expires_boot() const noexcept { return issued_boot + life; }
};

}  // namespace postbearer::agent
