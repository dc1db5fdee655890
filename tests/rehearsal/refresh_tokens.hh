// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "codec.hh"
#include "consents.hh"

namespace postbearer::rehearsal {

/// The refresh tokens ever given out. Their text is not kept, only its SHA-256.
class RefreshTokens {
public:
    enum class State { Valid, Used, Revoked };
    struct Entry {
        std::string digest;
        std::string fingerprint;
        UserGrant grant;
        std::uint64_t family = 0;  // all that came of one login
        State state = State::Valid;
    };

    /// The token's text; `family` 0 begins a new one. `prefix` is how the provider's tokens begin.
    [[nodiscard]] std::string issue(const UserGrant& grant, std::uint64_t family,
                                    const std::string& prefix);
    [[nodiscard]] Entry* find(const std::string& token);
    /// How many tokens of the family were good until now.
    std::size_t revoke_family(std::uint64_t family);
    /// By user or fingerprint; an empty one matches nothing. How many were good until now.
    std::size_t revoke(const std::string& user, const std::string& fingerprint);
    void clear() { entries_.clear(); }
    [[nodiscard]] Json::Value to_json() const;

private:
    std::vector<Entry> entries_;
    std::uint64_t last_family_ = 0;
};

}  // namespace postbearer::rehearsal
