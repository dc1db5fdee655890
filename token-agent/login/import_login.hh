// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/result.hh"
#include "common/secret.hh"
#include "token-agent/login/login_order.hh"
#include "token-agent/store/store_queue.hh"

namespace postbearer::agent {

struct ImportedLogin {
    std::uint64_t generation = 0;
    bool replaced = false;
};

/// Stores a refresh token that another program got. Whether it is of use, and for whom, shows at
/// its first renewal. `done` runs once, later; errors as TokenStore::put_login().
void import_login(StoreQueue& store, const LoginOrder& order, Secret refresh_token,
                  const std::string& user, WallTime now,
                  std::function<void(Result<ImportedLogin>)> done);

}  // namespace postbearer::agent
