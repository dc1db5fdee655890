// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "auth_codes.hh"
#include "consents.hh"
#include "device_codes.hh"
#include "refresh_tokens.hh"

namespace postbearer::rehearsal {

/// Since the last DELETE /records.
struct LoginCounters {
    std::uint64_t refresh_requests = 0;
    std::uint64_t refresh_successes = 0;
    std::uint64_t refresh_reuse = 0;  // a strict token that came a second time
    std::uint64_t device_polls = 0;
    std::uint64_t device_polls_too_early = 0;
    std::uint64_t codes_issued = 0;
    std::uint64_t revocations = 0;  // RFC 7009 requests that ended something
    std::uint64_t families_revoked = 0;

    void add_to(std::map<std::string, std::uint64_t>& all) const {
        all["refresh_requests"] = refresh_requests;
        all["refresh_successes"] = refresh_successes;
        all["refresh_reuse"] = refresh_reuse;
        all["device_polls"] = device_polls;
        all["device_polls_too_early"] = device_polls_too_early;
        all["codes_issued"] = codes_issued;
        all["revocations"] = revocations;
        all["families_revoked"] = families_revoked;
    }
};

/// What the login rooms remember between requests.
struct LoginState {
    RefreshTokens refresh_tokens;
    AuthCodes codes;
    DeviceCodes devices;
    Consents consents;
    LoginCounters counters;
    std::map<std::string, std::string> seen_assertions;  // client/jti -> SHA-256 of the assertion
    std::set<std::string> revoked_access;                // fingerprints

    void forget() {
        refresh_tokens.clear();
        codes.clear();
        devices.clear();
        consents.clear();
        seen_assertions.clear();
        revoked_access.clear();
    }
};

}  // namespace postbearer::rehearsal
