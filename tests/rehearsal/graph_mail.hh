// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "graph_call.hh"

/// The calls that make mail.
namespace postbearer::rehearsal {

/// POST sendMail, MIME or JSON.
[[nodiscard]] GraphReply send_mail(const GraphCall& call);
/// POST messages, MIME or JSON.
[[nodiscard]] GraphReply create_draft(const GraphCall& call);
/// POST messages/ID/send.
[[nodiscard]] GraphReply send_draft(const GraphCall& call);
/// PATCH and DELETE messages/ID.
[[nodiscard]] GraphReply patch_item(const GraphCall& call);
[[nodiscard]] GraphReply delete_item(const GraphCall& call);

/// What a body above the limit gets, or nothing.
[[nodiscard]] std::optional<GraphReply> judge_length(const GraphCall& call, std::int64_t most);
/// The item the path names; null if there is none, or not yet.
[[nodiscard]] GraphStore::Item find_item(const GraphCall& call);

}  // namespace postbearer::rehearsal
