// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>

#include "client_registry.hh"
#include "graph_state.hh"
#include "token_verifier.hh"

namespace postbearer::rehearsal {

/// Who a request's token says is calling.
struct GraphAccess {
    std::string client_id;
    std::string user;  // of a delegated token
    std::shared_ptr<const VerifiedToken> token;
    std::optional<GraphError> refusal;  // 401
};
[[nodiscard]] GraphAccess read_access(const std::string& authorization, const GraphState& state,
                                      TokenVerifier& verifier, WallTime now);

/// One of `permissions` as role or scope, and the mailbox within the app's reach.
[[nodiscard]] bool may(const GraphAccess& access, const GraphState& state,
                       const ClientRegistry& clients, const std::string& mailbox,
                       std::initializer_list<const char*> permissions);

}  // namespace postbearer::rehearsal
