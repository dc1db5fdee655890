// SPDX-License-Identifier: Apache-2.0
#pragma once

// Logins in the store that the configuration leads to no more: its rule, grant or provider is gone.
// Their refresh tokens are good all the same, so a logout finds them by the account's name.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "token-agent/login/logout.hh"
#include "token-agent/policy.hh"

namespace postbearer::agent {

struct StrandedOutcome {
    std::vector<RecordName> names;  // what there was; empty: nothing
    LogoutOutcome outcome;          // of all: revoked if each was, the notes in one line
};

/// `account` is the login's name, lower case. `done` runs once, later. Error: Unavailable, the
/// store could not be read, or could not forget one.
void log_out_stranded(const LogoutServices& services, std::shared_ptr<const Policy> policy,
                      const std::string& account,
                      std::function<void(Result<StrandedOutcome>)> done);

}  // namespace postbearer::agent
