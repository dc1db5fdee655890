// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "graph_call.hh"

/// Attachments of drafts.
namespace postbearer::rehearsal {

/// POST messages/ID/attachments
[[nodiscard]] GraphReply add_attachment(const GraphCall& call);
/// POST messages/ID/attachments/createUploadSession
[[nodiscard]] GraphReply open_session(const GraphCall& call);
/// PUT, GET and DELETE of the session's URL, which needs no token but the one in it.
[[nodiscard]] GraphReply use_session(GraphState& state, const GraphRoute& route,
                                     const HttpRequest& request, WallTime now);

}  // namespace postbearer::rehearsal
