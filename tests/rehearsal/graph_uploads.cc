// SPDX-License-Identifier: Apache-2.0
#include "graph_uploads.hh"

#include <charconv>

#include "graph_compose.hh"
#include "graph_mail.hh"
#include "json.hh"

namespace postbearer::rehearsal {
namespace {

GraphError session_not_found() {
    return {404, "itemNotFound", "The upload session was not found", "uploadSessionNotFound"};
}

GraphError bad_range(const std::string& inner, const std::string& message) {
    return {416, "invalidRange", message, inner};
}

struct Range {
    std::size_t first = 0;
    std::size_t last = 0;
    std::size_t total = 0;
};

/// "bytes 0-99/1000"; nothing else.
std::optional<Range> parse_range(std::string_view text) {
    Range range;
    const auto number = [&text](std::size_t& value) {
        const char* const end = text.data() + text.size();
        const auto [stop, error] = std::from_chars(text.data(), end, value);
        if (error != std::errc()) {
            return false;
        }
        text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
        return true;
    };
    const auto skip = [&text](std::string_view what) {
        if (text.substr(0, what.size()) != what) {
            return false;
        }
        text.remove_prefix(what.size());
        return true;
    };
    const bool good = skip("bytes ") && number(range.first) && skip("-") && number(range.last) &&
                      skip("/") && number(range.total) && text.empty() &&
                      range.first <= range.last && range.last < range.total;
    return good ? std::optional(range) : std::nullopt;
}

Json::Value session_json(const UploadSession& session) {
    Json::Value json;
    json["expirationDateTime"] = graph_time(session.expires);
    json["nextExpectedRanges"].append(std::to_string(session.attachment.bytes.size()) + "-");
    return json;
}

/// Nothing if it fits where the session stands.
std::optional<GraphError> judge_chunk(const GraphState& state, const UploadSession& session,
                                      const HttpRequest& request) {
    const auto range = parse_range(request.header("Content-Range"));
    if (!range || range->total != session.size ||
        range->last - range->first + 1 != request.body_bytes) {
        return bad_request("invalidRequest",
                           "The Content-Range header is missing, malformed, or does not fit the "
                           "content.");
    }
    const std::int64_t most = state.limits.chunk_bytes;
    if (most > 0 && request.body_bytes > static_cast<std::size_t>(most)) {
        return GraphError{413, "RequestEntityTooLarge", "The request entity is too large.", ""};
    }
    const std::size_t expected = session.attachment.bytes.size();
    if (range->first > expected) {
        return bad_range("fragmentOutOfOrder", "The fragment is out of order.");
    }
    if (range->first < expected) {
        return bad_range("fragmentOverlap", "The fragment overlaps with one that is there.");
    }
    return std::nullopt;
}

GraphReply put_chunk(GraphState& state, UploadSession& session, const HttpRequest& request) {
    if (!request.header("Authorization").empty() &&
        state.settings.upload_authorization == "refuse") {
        return not_authenticated("The upload URL carries its own authorization.");
    }
    if (auto error = judge_chunk(state, session, request)) {
        return *error;
    }
    session.attachment.bytes += request.body;
    if (session.attachment.bytes.size() < session.size) {
        return graph_json(200, session_json(session));
    }
    HttpAnswer answer = graph_empty(201);
    answer.set_header("Location", state.base_url + "/api/gv1.0/Users('" + session.item->mailbox +
                                      "')/Messages('" + session.item->id + "')/Attachments('" +
                                      session.attachment.id + "')");
    session.item->attachments.push_back(std::move(session.attachment));
    state.store.close_session(std::string(session.number));
    return answer;
}

/// The draft, if it can take attachments.
std::variant<GraphStore::Item, GraphError> open_draft(const GraphCall& call) {
    const auto item = find_item(call);
    if (!item) {
        return item_not_found();
    }
    if (!item->is_draft || item->json.isNull()) {
        return bad_request("ErrorInvalidOperation",
                           "The rehearsal adds attachments to drafts made of JSON only.");
    }
    return item;
}

}  // namespace

GraphReply add_attachment(const GraphCall& call) {
    if (auto refused = judge_length(call, call.state.limits.body_bytes)) {
        return *refused;
    }
    const auto draft = open_draft(call);
    if (const auto* error = std::get_if<GraphError>(&draft)) {
        return *error;
    }
    const auto json = parse_json(call.request.body);
    if (!json) {
        return bad_request("UnableToDeserializePostBody", "The body is not JSON.");
    }
    if (auto error = judge_attachment_json(*json)) {
        return *error;
    }
    GraphAttachment attachment = attachment_of(*json);
    const std::int64_t most = call.state.limits.attachment_bytes;
    if (most > 0 && attachment.bytes.size() >= static_cast<std::size_t>(most)) {
        return GraphError{413, "RequestEntityTooLarge", "The attachment needs an upload session.",
                          ""};
    }
    Json::Value made;
    made["@odata.type"] = "#microsoft.graph.fileAttachment";
    made["id"] = attachment.id;
    made["name"] = attachment.name;
    made["contentType"] = attachment.content_type;
    made["size"] = static_cast<Json::UInt64>(attachment.bytes.size());
    made["isInline"] = attachment.is_inline;
    made["lastModifiedDateTime"] = graph_time(call.now);
    std::get<GraphStore::Item>(draft)->attachments.push_back(std::move(attachment));
    return graph_json(201, made);
}

GraphReply open_session(const GraphCall& call) {
    const auto draft = open_draft(call);
    if (const auto* error = std::get_if<GraphError>(&draft)) {
        return *error;
    }
    const auto json = parse_json(call.request.body);
    Json::Value item;
    if (json && json->isObject()) {
        item = (*json)[json->isMember("AttachmentItem") ? "AttachmentItem" : "attachmentItem"];
    }
    const bool shaped = item.isObject() && item["attachmentType"] == "file" &&
                        item["name"].isString() && item["size"].isInt64() &&
                        item["size"].asInt64() > 0;
    if (!shaped) {
        return bad_request("RequestBodyRead", "An AttachmentItem of a file was expected.");
    }
    const GraphLimits& limits = call.state.limits;
    const std::int64_t size = item["size"].asInt64();
    if (size < limits.session_min_bytes) {
        return bad_request("ErrorAttachmentSizeShouldNotBeLessThanMinimumSize",
                           "Attachment size must be greater than the minimum size.");
    }
    if (limits.session_max_bytes > 0 && size > limits.session_max_bytes) {
        return bad_request("ErrorAttachmentSizeLimitExceeded", "The attachment is too large.");
    }
    UploadSession session;
    session.item = std::get<GraphStore::Item>(draft);
    session.size = static_cast<std::size_t>(size);
    session.attachment = attachment_of(item);
    session.client_id = call.access.client_id;
    session.expires = call.now + std::chrono::seconds(limits.session_seconds);
    const UploadSession& open = call.state.store.open_session(std::move(session));
    Json::Value made = session_json(open);
    made["uploadUrl"] = call.state.base_url + "/api/gv1.0/AttachmentSessions('" + open.number +
                        "')?authtoken=" + open.token;
    return graph_json(201, made);
}

GraphReply use_session(GraphState& state, const GraphRoute& route, const HttpRequest& request,
                       WallTime now) {
    UploadSession* const session = state.store.session(route.session);
    if (session == nullptr || now >= session->expires) {
        return session_not_found();
    }
    if (query_parameters(request.query)["authtoken"] != session->token) {
        return not_authenticated("The authtoken of the upload URL is wrong.");
    }
    if (request.method == "PUT") {
        return put_chunk(state, *session, request);
    }
    if (request.method == "GET") {
        return graph_json(200, session_json(*session));
    }
    if (request.method == "DELETE") {
        state.store.close_session(route.session);
        return graph_empty(204);
    }
    return bad_request("BadRequest", "An upload URL knows PUT, GET and DELETE.");
}

}  // namespace postbearer::rehearsal
