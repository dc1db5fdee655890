// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the rooms of the admin socket share: how they answer, refuse and read arguments.

#include <json/value.h>

#include <string>

#include "common/agent_messages.hh"
#include "token-agent/token_service.hh"

namespace postbearer::agent {

void answer_json(const Reply& reply, const Json::Value& json);
void refuse(const Reply& reply, protocol::FailureClass failure_class, protocol::FailureCode code,
            std::string message);
void refuse_unknown_account(const Reply& reply, const std::string& account);

/// Empty where it is absent or no string.
[[nodiscard]] std::string string_argument(const Json::Value& arguments, const char* name);
[[nodiscard]] bool flag_argument(const Json::Value& arguments, const char* name);

}  // namespace postbearer::agent
