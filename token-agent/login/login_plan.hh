// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "token-agent/discovery.hh"
#include "token-agent/login/login_order.hh"
#include "token-agent/store/store_queue.hh"
#include "token-agent/token_service.hh"

namespace Json {
class Value;
}

namespace postbearer::agent {

/// Answers what a login would be, and what login there is: client, tenant, account, flows. Looks
/// at the server's metadata first where only they tell. It starts nothing.
void answer_login_plan(Discovery& discovery, StoreQueue& store, const LoginOrder& order,
                       const Reply& reply);

/// The names of resources, as a JSON array.
[[nodiscard]] Json::Value resources_json(const std::vector<Resource>& resources);

}  // namespace postbearer::agent
