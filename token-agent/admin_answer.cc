// SPDX-License-Identifier: Apache-2.0
#include "token-agent/admin_answer.hh"

#include <utility>

#include "common/agent_protocol.hh"
#include "common/text.hh"
#include "token-agent/admin_json.hh"

namespace postbearer::agent {

void answer_json(const Reply& reply, const Json::Value& json) {
    reply(std::move(protocol::MessageWriter().add("status", "ok").add("json", compact(json)))
              .finish());
}

void refuse(const Reply& reply, protocol::FailureClass failure_class, protocol::FailureCode code,
            std::string message) {
    reply(
        encode(protocol::AgentFailure{failure_class, code, std::move(message), std::nullopt, {}}));
}

void refuse_unknown_account(const Reply& reply, const std::string& account) {
    refuse(reply, protocol::FailureClass::UnknownAccount, protocol::FailureCode::NoAccount,
           "no [[account]] rule matches " + printable(account, 254));
}

std::string string_argument(const Json::Value& arguments, const char* name) {
    const Json::Value& value = arguments[name];
    return value.isString() ? value.asString() : std::string();
}

bool flag_argument(const Json::Value& arguments, const char* name) {
    return arguments[name].isBool() && arguments[name].asBool();
}

}  // namespace postbearer::agent
