// SPDX-License-Identifier: Apache-2.0
#include "milter/explain.hh"

#include <json/json.h>

#include "common/text.hh"
#include "milter/envelope/header_editor.hh"

namespace postbearer::milter {
namespace {

/// CRLF line ends, as the wire has them.
std::string with_crlf(std::string_view text) {
    std::string out;
    out.reserve(text.size() + text.size() / 32);
    char before = '\0';
    for (const char c : text) {
        if (c == '\n' && before != '\r') {
            out += '\r';
        }
        out += c;
        before = c;
    }
    return out;
}

/// Through the empty line; all of it where there is none.
std::string_view section_of(std::string_view message) {
    if (message.starts_with("\r\n")) {
        return message.substr(0, 2);
    }
    const std::size_t end = message.find("\r\n\r\n");
    return end == std::string_view::npos ? message : message.substr(0, end + 4);
}

Json::Value list_of(const std::vector<std::string>& words) {
    Json::Value list(Json::arrayValue);
    for (const std::string& word : words) {
        list.append(printable(word, 400));
    }
    return list;
}

/// The fields of the edited section that decide who gets mail.
std::vector<std::string> address_fields(std::string_view section) {
    std::vector<std::string> out;
    bool wanted = false;
    while (!section.empty() && !section.starts_with("\r\n")) {
        const std::size_t end = std::min(section.find("\r\n"), section.size());
        const std::string_view line = section.substr(0, end);
        section.remove_prefix(std::min(end + 2, section.size()));
        const bool folded = line.starts_with(' ') || line.starts_with('\t');
        if (!folded) {
            const std::string name = ascii_lower(line.substr(0, line.find(':')));
            wanted = name == "from" || name == "to" || name == "cc" || name == "bcc" ||
                     name == "sender" || name == "message-id";
        }
        if (wanted && folded && !out.empty()) {
            out.back() += ' ' + std::string(trimmed(line));
        } else if (wanted) {
            out.emplace_back(line);
        }
    }
    return out;
}

Json::Value edits_of(const Decision& decision, const MessageContext& message,
                     std::string_view section) {
    HeaderEdit edit;
    edit.section = section;
    edit.recipients = message.recipients;
    edit.mailbox = decision.mailbox;
    edit.mail_from = message.mail_from;
    edit.id = "QUEUEID";
    edit.fallback_message_id =
        "<QUEUEID.made@" + decision.mailbox.substr(decision.mailbox.rfind('@') + 1) + ">";
    const auto edited = edit_header(edit);
    Json::Value out;
    if (!edited) {
        out["refused"] = std::to_string(edited.error().code) + ' ' + edited.error().enhanced + ' ' +
                         printable(edited.error().text, 400);
        return out;
    }
    out["visible"] = static_cast<Json::UInt64>(edited->visible);
    out["hidden"] = static_cast<Json::UInt64>(edited->hidden);
    out["rewritten"] = edited->rewritten;
    out["trimmed"] = list_of(edited->trimmed);
    out["removed"] = list_of(edited->removed);
    out["fields"] = list_of(address_fields(edited->bytes));
    return out;
}

void add_line(std::string& out, std::string_view name, const std::string& value) {
    if (!value.empty()) {
        out.append(name).append(": ").append(value).append("\n");
    }
}

std::string joined(const Json::Value& list) {
    std::string out;
    for (const Json::Value& each : list) {
        out += (out.empty() ? "" : ", ") + each.asString();
    }
    return out;
}

std::string as_text(const Json::Value& answer) {
    std::string out;
    add_line(out, "decision", answer["decision"].asString());
    add_line(out, "route", answer["route"].asString());
    add_line(out, "mailbox", answer["mailbox"].asString());
    const std::string reason = answer["reason"].asString();
    const std::string detail = answer["detail"].asString();
    add_line(out, "reason", detail.starts_with(reason) ? detail : reason + ": " + detail);
    add_line(out, "answer", answer["answer"].asString());
    const Json::Value& edits = answer["edits"];
    if (edits.isNull()) {
        return out;
    }
    add_line(out, "refused", edits["refused"].asString());
    if (edits.isMember("fields")) {
        add_line(out, "recipients",
                 edits["visible"].asString() + " in To and Cc, " + edits["hidden"].asString() +
                     " in Bcc");
        add_line(out, "cut out of To and Cc", joined(edits["trimmed"]));
        add_line(out, "fields taken out", joined(edits["removed"]));
        for (const Json::Value& field : edits["fields"]) {
            add_line(out, "  graph gets", field.asString());
        }
    }
    return out;
}

}  // namespace

std::string explain(const MilterConfig& config, Question question) {
    const std::string content = with_crlf(question.content);
    const std::string_view section = section_of(content);
    MessageContext& message = question.message;
    message.headers = facts_of(section);
    message.size = content.size();
    if (message.via != Submission::Queue) {  // as the milter front counts
        message.header_size = grown(section.size(), message.recipients);
        message.size = message.header_size + content.size() - section.size();
    }
    const Decision decision = decide(config, message);
    Json::Value answer;
    answer["version"] = 1;
    answer["kind"] = "explain";
    answer["decision"] = std::string(name_of(decision.action));
    answer["route"] = decision.route;
    answer["mailbox"] = decision.mailbox;
    answer["reason"] = decision.reason;
    answer["detail"] = printable(decision.detail, 400);
    const bool at_queue = message.via == Submission::Queue && decision.action != Action::Graph &&
                          decision.action != Action::Discard;
    if (at_queue || decision.action == Action::Reject) {
        const LmtpReply reply =
            at_queue ? queue_reply(decision, QueuedBy::Transport, "") : decision.reply;
        answer["answer"] =
            std::to_string(reply.code) + ' ' + reply.enhanced + ' ' + printable(reply.text, 400);
    }
    if (decision.action == Action::Graph) {
        answer["edits"] = edits_of(decision, message, section);
    }
    if (!question.json) {
        return as_text(answer);
    }
    Json::StreamWriterBuilder builder;
    builder["indentation"] = "";
    return Json::writeString(builder, answer) + "\n";
}

}  // namespace postbearer::milter
