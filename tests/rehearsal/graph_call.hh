// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <variant>

#include "graph_access.hh"
#include "graph_route.hh"
#include "graph_state.hh"

namespace postbearer::rehearsal {

/// A request whose caller and mailbox are known and good.
struct GraphCall {
    GraphState& state;
    const GraphRoute& route;
    const HttpRequest& request;
    RequestRecord& record;
    const GraphAccess& access;
    const GraphMailbox& mailbox;
    WallTime now;
};
using GraphReply = std::variant<HttpAnswer, GraphError>;

}  // namespace postbearer::rehearsal
