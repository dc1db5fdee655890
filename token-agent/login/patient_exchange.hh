// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>

#include "common/clock.hh"
#include "common/scheduler.hh"
#include "token-agent/token_exchange.hh"

namespace postbearer::agent {

/// A request that an operator waits for: what passes by itself is tried again, kPatientTries times
/// in all, after 2 and 4 s or what Retry-After says up to kLongestPatience. `done` runs once,
/// later; `goes_on` is asked before each further try, and false ends it. A failure that brought a
/// refresh token is not tried again.
void send_patiently(TokenExchange& exchange, const Clock& clock, Scheduler& scheduler,
                    const ExchangeRequest& request, std::function<bool()> goes_on,
                    TokenExchange::Done done);

inline constexpr int kPatientTries = 3;
inline constexpr std::chrono::seconds kLongestPatience{10};

}  // namespace postbearer::agent
