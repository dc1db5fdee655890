// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>

#include "graph_call.hh"

/// The calls that read mail.
namespace postbearer::rehearsal {

/// GET messages and mailFolders/F/messages with $filter, $select, $top, $skip.
[[nodiscard]] GraphReply list_messages(const GraphCall& call);
/// GET messages/ID
[[nodiscard]] GraphReply get_message(const GraphCall& call);
/// GET messages/ID/$value: the MIME.
[[nodiscard]] GraphReply get_mime(const GraphCall& call);

/// A microsoft.graph.message; empty `select` means the usual members.
[[nodiscard]] Json::Value item_json(const GraphCall& call, const GraphItem& item,
                                    const std::set<std::string>& select);
/// Prefer: IdType="ImmutableId", and the header that says so.
[[nodiscard]] bool wants_immutable_ids(const HttpRequest& request);
void apply_preference(const HttpRequest& request, HttpAnswer& answer);

}  // namespace postbearer::rehearsal
