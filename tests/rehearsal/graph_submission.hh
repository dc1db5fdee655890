// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "graph_state.hh"

namespace postbearer::rehearsal {

/// Who hands in what.
struct Submission {
    GraphMailbox mailbox;
    std::string client_id;
    std::string endpoint;
    std::string request_id;
    std::string client_request_id;
};

/// Base64 as Graph takes it: one line or many. Nothing if it is none.
[[nodiscard]] std::optional<std::string> decode_mime_body(const std::string& body);
[[nodiscard]] GraphError malformed_mime();

/// What Exchange says before it takes a message over: sender, recipients, sizes.
[[nodiscard]] std::optional<GraphError> judge_submission(const GraphState& state,
                                                         const GraphMailbox& mailbox,
                                                         const MimeFacts& facts, std::size_t size);
/// Takes the message over: records it, delivers it, and makes `item` (a draft that is being sent,
/// or a new one) the copy in Sent Items.
void take_over(GraphState& state, const Submission& submission, const GraphStore::Item& item,
               WallTime now);
/// An item of the mailbox made of MIME; nothing is judged.
[[nodiscard]] GraphItem make_item(const GraphState& state, const GraphMailbox& mailbox,
                                  std::string mime, MimeFacts facts, WallTime now);
/// D/graph/N.eml, written if it is not there yet; empty if the bytes are gone.
[[nodiscard]] std::string file_of(const GraphState& state, const AcceptedMail& mail);

}  // namespace postbearer::rehearsal
