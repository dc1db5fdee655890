// SPDX-License-Identifier: Apache-2.0
#include "graph_submission.hh"

#include <algorithm>
#include <set>

#include "codec.hh"
#include "files.hh"

namespace postbearer::rehearsal {
namespace {

constexpr std::string_view kKept[] = {"from",         "sender",      "to",           "cc",
                                      "subject",      "in-reply-to", "references",   "reply-to",
                                      "date",         "message-id",  "mime-version", "importance",
                                      "thread-topic", "thread-index"};

GraphError invalid_recipients() {
    return bad_request("ErrorInvalidRecipients",
                       "At least one recipient isn't valid., A message can't be sent because it "
                       "contains no recipients or an invalid one.");
}

GraphError send_as_denied() {
    return {403, "ErrorSendAsDenied",
            "The user account which was used to submit this request does not have the right to "
            "send mail on behalf of the specified sending account. Cannot submit message.",
            ""};
}

bool starts_with(const std::string& text, const char* begin) { return text.rfind(begin, 0) == 0; }

/// Where a header stands that recipients may or may not get to see.
bool is_seen(const GraphState& state, const std::string& mailbox, const std::string& header) {
    const std::string name = lower(header);
    const GraphSettings& settings = state.settings;
    if (name == "bcc") {
        return false;
    }
    if (std::find(std::begin(kKept), std::end(kKept), name) != std::end(kKept) ||
        starts_with(name, "content-")) {
        return true;
    }
    if (starts_with(name, "x-")) {
        return settings.x_headers == "keep" ||
               (settings.x_headers == "primed" && state.mailboxes.knows_property(mailbox, name));
    }
    if (name == "auto-submitted") {
        return settings.auto_submitted == "keep";
    }
    if (name == "received") {
        return settings.received == "keep";
    }
    return (starts_with(name, "list-") ? settings.list_headers : settings.other_headers) == "keep";
}

HttpHeaders seen_headers(const GraphState& state, const GraphItem& item, WallTime now) {
    HttpHeaders seen;
    for (const auto& [name, value] : item.facts.headers) {
        if (!is_seen(state, item.mailbox, name)) {
            continue;
        }
        if (iequals(name, "Message-ID")) {
            seen.emplace_back(name, item.message_id);
        } else if (iequals(name, "Date") && state.settings.date == "replace") {
            seen.emplace_back(name, http_date(now));
        } else {
            seen.emplace_back(name, value);
        }
    }
    return seen;
}

std::optional<GraphError> judge_sender(const GraphState& state, const GraphMailbox& mailbox,
                                       const AddressField& from) {
    const GraphSettings& settings = state.settings;
    if (from.addresses.empty()) {
        const bool good = !from.malformed && settings.missing_from == "accept";
        return good ? std::nullopt : std::optional(send_as_denied());
    }
    if (from.addresses.size() > 1 && settings.multiple_from == "refuse") {
        return bad_request("ErrorMimeContentInvalid", "The MIME content is invalid.");
    }
    for (const MailAddress& address : from.addresses) {
        const bool odd_name =
            address.name.find('@') != std::string::npos && settings.at_in_display_name == "refuse";
        if (odd_name || !mailbox.may_send_as(address.address)) {
            return send_as_denied();
        }
    }
    return std::nullopt;
}

std::optional<GraphError> judge_recipients(const GraphState& state, const MimeFacts& facts) {
    const GraphSettings& settings = state.settings;
    std::size_t count = 0;
    for (const AddressField* field : {&facts.to, &facts.cc, &facts.bcc}) {
        const bool bad_group = (settings.groups == "refuse" && field->group) ||
                               (settings.groups == "refuse_empty" && field->empty_group);
        if (field->malformed || bad_group) {
            return invalid_recipients();
        }
        count += field->addresses.size();
    }
    if (settings.resent == "deliver") {
        count += facts.resent.addresses.size();
    }
    const bool hidden_only = count == facts.bcc.addresses.size();
    const bool too_many =
        state.limits.recipients > 0 && count > static_cast<std::size_t>(state.limits.recipients);
    if (count == 0 || too_many || (hidden_only && settings.bcc_only == "refuse")) {
        return invalid_recipients();
    }
    return std::nullopt;
}

/// Each address once; what `known` has already is left out, as Exchange delivers once.
std::vector<std::string> recipients_of(const AddressField& field, std::set<std::string>& known) {
    std::vector<std::string> list;
    for (const MailAddress& address : field.addresses) {
        std::string one = lower(address.address);
        if (known.insert(one).second) {
            list.push_back(std::move(one));
        }
    }
    return list;
}

std::string raw_path(const GraphState& state, std::uint64_t number) {
    return state.directory + "/" + std::to_string(number) + ".eml";
}

/// Moves the bytes to where the tests want them.
void keep_raw(const GraphState& state, RawMail& raw, std::uint64_t number) {
    if (state.settings.keep == "files" && make_private_directory(state.directory) &&
        write_file(raw_path(state, number), raw.bytes, 0600)) {
        raw.file = raw_path(state, number);
        raw.bytes = std::string();
    } else if (state.settings.keep == "none") {
        raw.bytes = std::string();
    }
}

/// The draft or new item becomes the copy in Sent Items.
void file_as_sent(GraphState& state, const GraphStore::Item& item, WallTime now) {
    const GraphSettings& settings = state.settings;
    if (settings.sent_items == "delete") {
        state.store.remove(item);
        return;
    }
    if (item->is_draft) {
        state.store.renew_ids(item, settings.immutable_id == "changes");
    }
    item->is_draft = false;
    item->folder = "sentitems";
    item->sent = now;
    item->draft_until = now + std::chrono::milliseconds(settings.sent_lag_ms);
    item->found_from = now + std::chrono::milliseconds(settings.lookup_lag_ms);
}

}  // namespace

GraphError malformed_mime() {
    return bad_request("ErrorMimeContentInvalid",
                       "The MIME content does not contain all required information.");
}

std::optional<std::string> decode_mime_body(const std::string& body) {
    if (body.find_first_of("\r\n") == std::string::npos) {
        return decode_base64(body);
    }
    std::string joined;
    joined.reserve(body.size());
    std::copy_if(body.begin(), body.end(), std::back_inserter(joined),
                 [](char c) { return c != '\r' && c != '\n'; });
    return decode_base64(joined);
}

std::optional<GraphError> judge_submission(const GraphState& state, const GraphMailbox& mailbox,
                                           const MimeFacts& facts, std::size_t size) {
    if (!facts.readable) {
        return malformed_mime();
    }
    if (auto error = judge_sender(state, mailbox, facts.from)) {
        return error;
    }
    if (auto error = judge_recipients(state, facts)) {
        return error;
    }
    const std::int64_t most =
        mailbox.message_bytes > 0 ? mailbox.message_bytes : state.limits.message_bytes;
    if (most > 0 && size > static_cast<std::size_t>(most)) {
        return bad_request("ErrorMessageSizeExceeded",
                           "The message exceeds the maximum supported size.");
    }
    return std::nullopt;
}

GraphItem make_item(const GraphState& state, const GraphMailbox& mailbox, std::string mime,
                    MimeFacts facts, WallTime now) {
    GraphItem item;
    item.mailbox = mailbox.address;
    item.folder = "drafts";
    item.created = now;
    item.message_id = facts.message_id;
    if (item.message_id.empty() || state.settings.message_id == "replace") {
        item.message_id = "<" + guid() + "@rehearsal.prod.outlook.com>";
    }
    item.subject = facts.subject;
    item.refusals = state.settings.draft_lag_requests;
    item.raw = std::make_shared<RawMail>();
    item.raw->size = mime.size();
    item.raw->bytes = std::move(mime);
    for (const auto& [name, value] : facts.headers) {
        if (starts_with(lower(name), "x-") &&
            state.mailboxes.knows_property(mailbox.address, name)) {
            item.properties["String {00020386-0000-0000-C000-000000000046} Name " + name] = value;
        }
    }
    item.facts = std::move(facts);
    return item;
}

void take_over(GraphState& state, const Submission& submission, const GraphStore::Item& item,
               WallTime now) {
    AcceptedMail mail;
    mail.time = now;
    mail.mailbox = submission.mailbox.address;
    mail.client_id = submission.client_id;
    mail.endpoint = submission.endpoint;
    mail.request_id = submission.request_id;
    mail.client_request_id = submission.client_request_id;
    mail.message_id = item->facts.message_id.empty() ? item->message_id : item->facts.message_id;
    mail.kept_message_id = item->message_id;
    mail.subject = item->subject;
    mail.from = item->facts.from.addresses.empty()
                    ? submission.mailbox.address
                    : lower(item->facts.from.addresses.front().address);
    std::set<std::string> known;
    mail.to = recipients_of(item->facts.to, known);
    mail.cc = recipients_of(item->facts.cc, known);
    mail.bcc = recipients_of(item->facts.bcc, known);
    if (state.settings.resent == "deliver") {
        for (std::string& more : recipients_of(item->facts.resent, known)) {
            mail.bcc.push_back(std::move(more));
        }
    }
    mail.seen = seen_headers(state, *item, now);
    mail.raw = item->raw;
    const std::string_view bytes = item->raw->bytes;
    mail.sha256 = hex(sha256(bytes));
    mail.body_sha256 = hex(sha256(bytes.substr(std::min(item->facts.body_offset, bytes.size()))));
    keep_raw(state, *item->raw, state.records.accepted() + 1);
    (void)state.records.add(std::move(mail));
    file_as_sent(state, item, now);
}

std::string file_of(const GraphState& state, const AcceptedMail& mail) {
    if (!mail.raw->file.empty()) {
        return mail.raw->file;
    }
    const auto bytes = mail.raw->read();
    const std::string path = raw_path(state, mail.number);
    const bool written =
        bytes && make_private_directory(state.directory) && write_file(path, *bytes, 0600);
    return written ? path : std::string();
}

}  // namespace postbearer::rehearsal
