// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/login_failure.hh"

#include "common/text.hh"

namespace postbearer::agent {

using protocol::FailureClass;
using protocol::FailureCode;

protocol::AgentFailure login_failure(FailureClass failure_class, FailureCode code,
                                     std::string_view message) {
    protocol::AgentFailure failure;
    failure.failure_class = failure_class;
    failure.code = code;
    failure.message = printable(message, protocol::kMaxSentenceBytes);
    return failure;
}

protocol::AgentFailure not_confirmed(std::chrono::seconds life) {
    const auto minutes = std::chrono::ceil<std::chrono::minutes>(life).count();
    return login_failure(FailureClass::NeedsUser, FailureCode::Timeout,
                         "the sign-in was not confirmed within " + std::to_string(minutes) +
                             (minutes == 1 ? " minute" : " minutes") + ". Start the login again");
}

protocol::AgentFailure user_declined() {
    return login_failure(FailureClass::NeedsUser, FailureCode::AccessDenied,
                         "the user declined the sign-in or the consent. Start the login again");
}

}  // namespace postbearer::agent
