// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which certificates and client secrets end soon, so that somebody hears of it before mail stops.

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "common/clock.hh"
#include "token-agent/config.hh"

namespace postbearer::agent {

struct EndingCredential {
    std::string provider;
    std::string what;  // "client_secret", "certificate CN=a (thumbprint 0A1B)"
    WallTime end;
    std::int64_t days_left = 0;  // whole ones; 0 or less: it ends today or has ended
    int threshold = 0;           // the least of 30, 14, 7 and 1 that it is within; 0: it has ended
    bool successor = false;      // another credential of the provider lasts longer
};

/// Those that end within 30 days or have ended, in the order of the configuration.
[[nodiscard]] std::vector<EndingCredential> ending_credentials(const AgentConfig& config,
                                                               WallTime now);

/// Remembers what was told: each credential once for each threshold that it passes.
class ExpiryWatch {
public:
    /// What is to be told now. Call it at start, at each reload and from time to time.
    [[nodiscard]] std::vector<EndingCredential> due(const AgentConfig& config, WallTime now);

private:
    using Key = std::tuple<std::string, std::string, WallTime>;
    std::map<Key, int> told_;  // the threshold
};

}  // namespace postbearer::agent
