// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "graph_access.hh"
#include "graph_answers.hh"

namespace postbearer::rehearsal {

/// `GET /v1.0/me`: id, userPrincipalName, displayName and mail (null for who has no mailbox) of the
/// user behind a delegated token with User.Read.
[[nodiscard]] std::variant<HttpAnswer, GraphError> who_is_me(const GraphAccess& access,
                                                             const GraphState& state,
                                                             const ClientRegistry& clients,
                                                             const HttpRequest& request);

}  // namespace postbearer::rehearsal
