// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "graph_answers.hh"
#include "graph_store.hh"

namespace postbearer::rehearsal {

/// The message in a sendMail body; null if the body is not of that shape.
[[nodiscard]] const Json::Value* message_of_send_mail(const Json::Value& body);
/// What is wrong with a microsoft.graph.message in a request.
[[nodiscard]] std::optional<GraphError> judge_message_json(const Json::Value& message);
/// What is wrong with a microsoft.graph.attachment in a request (only files are served).
[[nodiscard]] std::optional<GraphError> judge_attachment_json(const Json::Value& attachment);
[[nodiscard]] GraphAttachment attachment_of(const Json::Value& attachment);
[[nodiscard]] std::vector<GraphAttachment> attachments_of(const Json::Value& message);
/// Adds singleValueExtendedProperties and X- headers.
void take_properties(const Json::Value& message, std::map<std::string, std::string>& properties);
/// The MIME of a JSON draft; `sender` where it has no from.
[[nodiscard]] std::string compose_mime(const GraphItem& item, const std::string& sender,
                                       WallTime now);

}  // namespace postbearer::rehearsal
