// SPDX-License-Identifier: Apache-2.0
#include "graph_compose.hh"

#include <algorithm>
#include <iterator>

#include "codec.hh"

namespace postbearer::rehearsal {
namespace {

constexpr const char* kMembers[] = {"subject",
                                    "body",
                                    "toRecipients",
                                    "ccRecipients",
                                    "bccRecipients",
                                    "replyTo",
                                    "from",
                                    "sender",
                                    "attachments",
                                    "internetMessageHeaders",
                                    "internetMessageId",
                                    "importance",
                                    "categories",
                                    "singleValueExtendedProperties",
                                    "isRead",
                                    "isDeliveryReceiptRequested",
                                    "isReadReceiptRequested",
                                    "flag",
                                    "inferenceClassification"};
constexpr const char* kFile = "#microsoft.graph.fileAttachment";
constexpr const char* kHeaderProperty = "String {00020386-0000-0000-C000-000000000046} Name ";

GraphError unreadable(const std::string& what) { return bad_request("RequestBodyRead", what); }

bool is_recipient(const Json::Value& recipient) {
    return recipient.isObject() && recipient["emailAddress"].isObject() &&
           recipient["emailAddress"]["address"].isString();
}

/// Json::Value's own accessors die on a wrong type; everything is looked at first.
std::optional<GraphError> judge_parts(const Json::Value& message) {
    for (const char* name : {"toRecipients", "ccRecipients", "bccRecipients", "replyTo"}) {
        const Json::Value& list = message[name];
        if (!list.isNull() &&
            (!list.isArray() || !std::all_of(list.begin(), list.end(), is_recipient))) {
            return unreadable(std::string("A collection of recipients was expected in '") + name +
                              "'.");
        }
    }
    for (const char* name : {"from", "sender"}) {
        if (!message[name].isNull() && !is_recipient(message[name])) {
            return unreadable(std::string("A recipient was expected in '") + name + "'.");
        }
    }
    const Json::Value& body = message["body"];
    if (!body.isNull() && (!body.isObject() || !body["content"].isString())) {
        return unreadable("An item body was expected in 'body'.");
    }
    return std::nullopt;
}

std::optional<GraphError> judge_lists(const Json::Value& message) {
    const Json::Value& attachments = message["attachments"];
    const Json::Value& headers = message["internetMessageHeaders"];
    const Json::Value& properties = message["singleValueExtendedProperties"];
    for (const Json::Value* list : {&attachments, &headers, &properties}) {
        if (!list->isNull() && !list->isArray()) {
            return unreadable("A collection was expected.");
        }
    }
    for (const Json::Value& attachment : attachments) {
        if (auto error = judge_attachment_json(attachment)) {
            return error;
        }
    }
    for (const Json::Value& header : headers) {
        if (!header.isObject() || !header["name"].isString() || !header["value"].isString()) {
            return unreadable("An internet message header was expected.");
        }
        if (lower(header["name"].asString()).rfind("x-", 0) != 0) {
            return bad_request("InvalidInternetMessageHeader",
                               "The internet message header name '" + header["name"].asString() +
                                   "' should start with 'x-' or 'X-'.");
        }
    }
    for (const Json::Value& property : properties) {
        if (!property.isObject() || !property["id"].isString() || !property["value"].isString()) {
            return unreadable("A single value extended property was expected.");
        }
    }
    return std::nullopt;
}

std::string encoded_words(const std::string& text) {
    const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) >= ' ' && static_cast<unsigned char>(c) < 127;
    });
    return plain ? text : "=?utf-8?B?" + base64(text) + "?=";
}

std::string recipient_text(const Json::Value& recipient) {
    const Json::Value& address = recipient["emailAddress"];
    const std::string spec = address["address"].asString();
    if (!address["name"].isString() || address["name"].asString().empty()) {
        return spec;
    }
    std::string name = encoded_words(address["name"].asString());
    if (name.rfind("=?", 0) != 0) {
        std::string quoted;
        for (const char c : name) {
            quoted += c == '"' || c == '\\' ? "\\" : "";
            quoted += c;
        }
        name = "\"" + quoted + "\"";
    }
    return name + " <" + spec + ">";
}

void add_recipients(std::string& head, const char* name, const Json::Value& list) {
    std::string text;
    for (const Json::Value& recipient : list) {
        text += (text.empty() ? "" : ",\r\n ") + recipient_text(recipient);
    }
    if (!text.empty()) {
        head += std::string(name) + ": " + text + "\r\n";
    }
}

std::string wrapped_base64(const std::string& bytes) {
    const std::string text = base64(bytes);
    std::string out;
    for (std::size_t at = 0; at < text.size(); at += 76) {
        out += text.substr(at, 76) + "\r\n";
    }
    return out;
}

std::string text_part(const Json::Value& body) {
    const bool html =
        body["contentType"].isString() && iequals(body["contentType"].asString(), "html");
    const std::string content = body["content"].isString() ? body["content"].asString() : "";
    return std::string("Content-Type: text/") + (html ? "html" : "plain") +
           "; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n" + wrapped_base64(content);
}

std::string file_part(const GraphAttachment& attachment) {
    std::string part = "Content-Type: " + attachment.content_type + "\r\n";
    part += std::string("Content-Disposition: ") +
            (attachment.is_inline ? "inline" : "attachment") + "; filename=\"" +
            encoded_words(attachment.name) + "\"\r\n";
    if (!attachment.content_id.empty()) {
        part += "Content-ID: <" + attachment.content_id + ">\r\n";
    }
    return part + "Content-Transfer-Encoding: base64\r\n\r\n" + wrapped_base64(attachment.bytes);
}

}  // namespace

const Json::Value* message_of_send_mail(const Json::Value& body) {
    const Json::Value* message = nullptr;
    if (!body.isObject()) {
        return nullptr;
    }
    for (const std::string& name : body.getMemberNames()) {
        if (iequals(name, "message") && body[name].isObject()) {
            message = &body[name];
        } else if (!iequals(name, "saveToSentItems") || !body[name].isBool()) {
            return nullptr;
        }
    }
    return message;
}

std::optional<GraphError> judge_message_json(const Json::Value& message) {
    if (!message.isObject()) {
        return unreadable("A message was expected.");
    }
    for (const std::string& name : message.getMemberNames()) {
        const bool known =
            name.find('@') != std::string::npos ||
            std::find(std::begin(kMembers), std::end(kMembers), name) != std::end(kMembers);
        if (!known) {
            return unreadable("The property '" + name +
                              "' does not exist on type 'microsoft.graph.message'.");
        }
    }
    if (auto error = judge_parts(message)) {
        return error;
    }
    return judge_lists(message);
}

std::optional<GraphError> judge_attachment_json(const Json::Value& attachment) {
    const bool shaped = attachment.isObject() && attachment["@odata.type"].isString() &&
                        attachment["@odata.type"].asString() == kFile &&
                        attachment["name"].isString() && attachment["contentBytes"].isString();
    if (!shaped || !decode_base64(attachment["contentBytes"].asString())) {
        return unreadable("A file attachment with name and contentBytes was expected.");
    }
    return std::nullopt;
}

GraphAttachment attachment_of(const Json::Value& attachment) {
    const auto text = [&attachment](const char* name, const char* fallback) {
        return attachment[name].isString() ? attachment[name].asString() : std::string(fallback);
    };
    GraphAttachment made;
    made.id = "AAMkATT" + base64url(random_bytes(24)) + "=";
    made.name = text("name", "");
    made.content_type = text("contentType", "application/octet-stream");
    made.content_id = text("contentId", "");
    made.is_inline = attachment["isInline"].isBool() && attachment["isInline"].asBool();
    made.bytes = decode_base64(text("contentBytes", "")).value_or("");
    return made;
}

std::vector<GraphAttachment> attachments_of(const Json::Value& message) {
    std::vector<GraphAttachment> list;
    std::transform(message["attachments"].begin(), message["attachments"].end(),
                   std::back_inserter(list), attachment_of);
    return list;
}

void take_properties(const Json::Value& message, std::map<std::string, std::string>& properties) {
    for (const Json::Value& property : message["singleValueExtendedProperties"]) {
        properties[property["id"].asString()] = property["value"].asString();
    }
    for (const Json::Value& header : message["internetMessageHeaders"]) {
        properties[kHeaderProperty + header["name"].asString()] = header["value"].asString();
    }
}

std::string compose_mime(const GraphItem& item, const std::string& sender, WallTime now) {
    const Json::Value& message = item.json;
    std::string date = http_date(now);
    date.replace(date.size() - 3, 3, "+0000");
    std::string head = "Date: " + date + "\r\n";
    head +=
        "From: " + (message["from"].isNull() ? sender : recipient_text(message["from"])) + "\r\n";
    add_recipients(head, "To", message["toRecipients"]);
    add_recipients(head, "Cc", message["ccRecipients"]);
    add_recipients(head, "Bcc", message["bccRecipients"]);
    add_recipients(head, "Reply-To", message["replyTo"]);
    head +=
        "Subject: " + encoded_words(item.subject) + "\r\nMessage-ID: " + item.message_id + "\r\n";
    for (const Json::Value& header : message["internetMessageHeaders"]) {
        head +=
            header["name"].asString() + ": " + encoded_words(header["value"].asString()) + "\r\n";
    }
    head += "MIME-Version: 1.0\r\n";
    if (item.attachments.empty()) {
        return head + text_part(message["body"]);
    }
    const std::string boundary = "_" + guid() + "_";
    std::string mime =
        head + "Content-Type: multipart/mixed; boundary=\"" + boundary + "\"\r\n\r\n";
    mime += "--" + boundary + "\r\n" + text_part(message["body"]);
    for (const GraphAttachment& attachment : item.attachments) {
        mime += "--" + boundary + "\r\n" + file_part(attachment);
    }
    return mime + "--" + boundary + "--\r\n";
}

}  // namespace postbearer::rehearsal
