// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "client_registry.hh"
#include "graph_state.hh"
#include "room.hh"
#include "token_verifier.hh"

namespace postbearer::rehearsal {

/// Microsoft Graph's mail endpoints below /v1.0, and the upload URLs they hand out. Token and
/// limits are judged at the head of a request, so that its place counts while its body comes.
class GraphRoom {
public:
    GraphRoom(GraphState& state, TokenVerifier& verifier, const ClientRegistry& clients)
        : state_(state), verifier_(verifier), clients_(clients) {}

    /// Null if the request is none of Graph's.
    [[nodiscard]] std::shared_ptr<Visit> enter(const HttpRequest& head, RequestRecord& record,
                                               WallTime now);

private:
    GraphState& state_;
    TokenVerifier& verifier_;
    const ClientRegistry& clients_;
};

}  // namespace postbearer::rehearsal
