// SPDX-License-Identifier: Apache-2.0
#include "graph_mail.hh"

#include "graph_compose.hh"
#include "graph_lookup.hh"
#include "graph_submission.hh"
#include "json.hh"

namespace postbearer::rehearsal {
namespace {

Submission submission_of(const GraphCall& call) {
    return {call.mailbox, call.access.client_id, call.record.endpoint, call.record.request_id,
            call.request.header("client-request-id")};
}

bool is_mime(const HttpRequest& request) { return request.media_type() == "text/plain"; }

GraphError unreadable_body() {
    return bad_request("UnableToDeserializePostBody",
                       "were unable to deserialize the body of the request");
}

using ItemOrError = std::variant<GraphItem, GraphError>;

ItemOrError item_of_mime(const GraphCall& call) {
    auto mime = decode_mime_body(call.request.body);
    if (!mime) {
        return bad_request("ErrorMimeContentInvalidBase64String",
                           "Invalid base64 string for MIME content.");
    }
    MimeFacts facts = read_mime(*mime);
    if (!facts.readable) {
        return malformed_mime();
    }
    return make_item(call.state, call.mailbox, std::move(*mime), std::move(facts), call.now);
}

/// A JSON draft with everything but its MIME.
ItemOrError item_of_json(const GraphCall& call, const Json::Value& message) {
    if (auto error = judge_message_json(message)) {
        return *error;
    }
    GraphItem item = make_item(call.state, call.mailbox, "", MimeFacts(), call.now);
    item.raw = nullptr;
    item.json = message;
    item.subject = message["subject"].isString() ? message["subject"].asString() : "";
    item.attachments = attachments_of(message);
    take_properties(message, item.properties);
    for (const Json::Value& header : message["internetMessageHeaders"]) {
        call.state.mailboxes.learn_property(call.mailbox.address, header["name"].asString());
    }
    return item;
}

/// The MIME Exchange would make of a JSON draft.
void compose(const GraphCall& call, GraphItem& item) {
    std::string mime = compose_mime(item, call.mailbox.address, call.now);
    item.facts = read_mime(mime);
    item.raw = std::make_shared<RawMail>();
    item.raw->size = mime.size();
    item.raw->bytes = std::move(mime);
}

std::optional<GraphError> judge_encoding(const HttpRequest& request) {
    if (request.header("Content-Encoding").empty()) {
        return std::nullopt;
    }
    return bad_request("BadRequest", "The content encoding is not supported.");
}

}  // namespace

std::optional<GraphReply> judge_length(const GraphCall& call, std::int64_t most) {
    if (most == 0 || call.request.body_bytes <= static_cast<std::size_t>(most)) {
        return std::nullopt;
    }
    const std::string& way = call.state.settings.over_limit;
    if (way == "200" || way == "413_empty") {
        return graph_empty(way == "200" ? 200 : 413);
    }
    if (way == "400") {
        return bad_request("BadRequest", "The maximum request length supported is 4MB.");
    }
    return GraphError{413, "RequestEntityTooLarge", "The request entity is too large.", ""};
}

GraphStore::Item find_item(const GraphCall& call) {
    const auto item = call.state.store.find(call.mailbox.address, call.route.message);
    if (item && item->refusals > 0) {
        --item->refusals;
        return nullptr;
    }
    return item;
}

GraphReply send_mail(const GraphCall& call) {
    if (auto refused = judge_length(call, call.state.limits.body_bytes)) {
        return *refused;
    }
    if (auto error = judge_encoding(call.request)) {
        return *error;
    }
    ItemOrError made = unreadable_body();
    if (is_mime(call.request)) {
        made = item_of_mime(call);
    } else if (call.request.media_type() == "application/json") {
        const auto json = parse_json(call.request.body);
        const Json::Value* message = json ? message_of_send_mail(*json) : nullptr;
        if (message != nullptr) {
            made = item_of_json(call, *message);
        }
    }
    if (auto* error = std::get_if<GraphError>(&made)) {
        return *error;
    }
    auto& item = std::get<GraphItem>(made);
    if (!item.raw) {
        compose(call, item);
    }
    if (auto error = judge_submission(call.state, call.mailbox, item.facts, item.raw->size)) {
        return *error;
    }
    item.is_draft = false;
    take_over(call.state, submission_of(call), call.state.store.add(std::move(item)), call.now);
    return graph_empty(202);
}

GraphReply create_draft(const GraphCall& call) {
    if (auto refused = judge_length(call, call.state.limits.body_bytes)) {
        return *refused;
    }
    if (auto error = judge_encoding(call.request)) {
        return *error;
    }
    ItemOrError made = unreadable_body();
    if (is_mime(call.request)) {
        made = item_of_mime(call);
    } else if (call.request.media_type() == "application/json") {
        if (const auto json = parse_json(call.request.body)) {
            made = item_of_json(call, *json);
        }
    }
    if (auto* error = std::get_if<GraphError>(&made)) {
        return *error;
    }
    const auto item = call.state.store.add(std::get<GraphItem>(std::move(made)));
    HttpAnswer answer = graph_json(201, item_json(call, *item, {}));
    apply_preference(call.request, answer);
    answer.set_header("Location", call.state.base_url + "/v1.0/users/" + call.mailbox.id +
                                      "/messages/" + item->id);
    return answer;
}

GraphReply send_draft(const GraphCall& call) {
    const auto item = find_item(call);
    if (!item) {
        return item_not_found();
    }
    const std::string& second = call.state.settings.second_send;
    if (!item->is_draft && second == "accepted") {
        return graph_empty(202);
    }
    if (!item->is_draft && second != "sends_again") {
        return item_not_found();
    }
    if (!item->raw || (item->is_draft && !item->json.isNull())) {
        compose(call, *item);
    }
    if (auto error = judge_submission(call.state, call.mailbox, item->facts, item->raw->size)) {
        return *error;
    }
    take_over(call.state, submission_of(call), item, call.now);
    return graph_empty(202);
}

GraphReply patch_item(const GraphCall& call) {
    const auto item = find_item(call);
    const auto json = parse_json(call.request.body);
    if (!item) {
        return item_not_found();
    }
    if (!json || !json->isObject()) {
        return unreadable_body();
    }
    if (auto error = judge_message_json(*json)) {
        return *error;
    }
    take_properties(*json, item->properties);
    if (item->is_draft && !item->json.isNull()) {
        for (const std::string& name : json->getMemberNames()) {
            item->json[name] = (*json)[name];
        }
        item->subject =
            item->json["subject"].isString() ? item->json["subject"].asString() : item->subject;
    }
    HttpAnswer answer = graph_json(200, item_json(call, *item, {}));
    apply_preference(call.request, answer);
    return answer;
}

GraphReply delete_item(const GraphCall& call) {
    const auto item = find_item(call);
    if (!item) {
        return item_not_found();
    }
    call.state.store.remove(item);
    return graph_empty(204);
}

}  // namespace postbearer::rehearsal
