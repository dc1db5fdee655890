// SPDX-License-Identifier: Apache-2.0
#include "graph_lookup.hh"

#include <algorithm>
#include <charconv>
#include <optional>

#include "graph_mail.hh"

namespace postbearer::rehearsal {
namespace {

constexpr std::size_t kUsualPage = 10;
constexpr std::size_t kBiggestPage = 1000;

/// What a $filter asks for; only the forms that senders use.
struct Filter {
    std::optional<std::string> message_id;
    std::optional<bool> is_draft;
    std::string property;  // id of an extended one, with its value
    std::string property_value;
};

/// 'it''s' -> it's, from `at` on, which moves behind the closing quote.
std::optional<std::string> quoted(const std::string& text, std::size_t& at) {
    if (at >= text.size() || text[at] != '\'') {
        return std::nullopt;
    }
    std::string out;
    for (++at; at < text.size(); ++at) {
        if (text[at] != '\'') {
            out += text[at];
        } else if (at + 1 < text.size() && text[at + 1] == '\'') {
            out += text[at++];
        } else {
            ++at;
            return out;
        }
    }
    return std::nullopt;
}

/// Moves behind `word` if it stands there (blanks before it do not matter).
bool skip(const std::string& text, std::size_t& at, std::string_view word) {
    while (at < text.size() && text[at] == ' ') {
        ++at;
    }
    if (!iequals(std::string_view(text).substr(at, word.size()), word)) {
        return false;
    }
    at += word.size();
    return true;
}

/// singleValueExtendedProperties/Any(ep: ep/id eq 'ID' and ep/value eq 'VALUE')
bool read_property(const std::string& text, std::size_t& at, Filter& filter) {
    if (!(skip(text, at, "ep:") && skip(text, at, "ep/id") && skip(text, at, "eq ") &&
          skip(text, at, ""))) {
        return false;
    }
    const auto id = quoted(text, at);
    if (!id || !(skip(text, at, "and") && skip(text, at, "ep/value") && skip(text, at, "eq ") &&
                 skip(text, at, ""))) {
        return false;
    }
    const auto value = quoted(text, at);
    if (!value || !skip(text, at, ")")) {
        return false;
    }
    filter.property = *id;
    filter.property_value = *value;
    return true;
}

std::optional<Filter> parse_filter(const std::string& text) {
    Filter filter;
    std::size_t at = 0;
    do {
        if (skip(text, at, "internetMessageId eq ")) {
            (void)skip(text, at, "");  // blanks
            filter.message_id = quoted(text, at);
            if (!filter.message_id) {
                return std::nullopt;
            }
        } else if (skip(text, at, "isDraft eq true")) {
            filter.is_draft = true;
        } else if (skip(text, at, "isDraft eq false")) {
            filter.is_draft = false;
        } else if (!skip(text, at, "singleValueExtendedProperties/Any(") ||
                   !read_property(text, at, filter)) {
            return std::nullopt;
        }
    } while (skip(text, at, "and "));
    return text.find_first_not_of(' ', at) == std::string::npos ? std::optional(filter)
                                                                : std::nullopt;
}

bool passes(const GraphItem& item, const Filter& filter, const std::string& folder, WallTime now) {
    if (now < item.found_from || (!folder.empty() && folder != item.shown_folder(now))) {
        return false;
    }
    if ((filter.message_id && *filter.message_id != item.message_id) ||
        (filter.is_draft && *filter.is_draft != item.shown_as_draft(now))) {
        return false;
    }
    if (filter.property.empty()) {
        return true;
    }
    const auto found = item.properties.find(filter.property);
    return found != item.properties.end() && iequals(found->second, filter.property_value);
}

std::optional<std::size_t> number_of(const std::map<std::string, std::string>& query,
                                     const char* name, std::size_t fallback) {
    const auto found = query.find(name);
    if (found == query.end()) {
        return fallback;
    }
    std::size_t number = 0;
    const std::string& text = found->second;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(number)
                                                                    : std::nullopt;
}

std::set<std::string> selected(const std::map<std::string, std::string>& query) {
    std::set<std::string> names;
    const auto found = query.find("$select");
    if (found == query.end()) {
        return names;
    }
    std::size_t at = 0;
    while (at <= found->second.size()) {
        const std::size_t end = std::min(found->second.find(',', at), found->second.size());
        const std::size_t begin = std::min(found->second.find_first_not_of(' ', at), end);
        names.insert(found->second.substr(begin, end - begin));
        at = end + 1;
    }
    return names;
}

Json::Value recipients_json(const AddressField& field) {
    Json::Value list(Json::arrayValue);
    for (const MailAddress& address : field.addresses) {
        Json::Value one;
        one["emailAddress"]["name"] = address.name.empty() ? address.address : address.name;
        one["emailAddress"]["address"] = address.address;
        list.append(one);
    }
    return list;
}

GraphError bad_query(const std::string& what) {
    return bad_request("BadRequest", "Invalid query: " + what);
}

/// $orderby with a filter, and options nobody here knows.
std::optional<GraphError> judge_options(const std::map<std::string, std::string>& query) {
    for (const auto& [name, value] : query) {
        if (name == "$orderby" && query.count("$filter") > 0) {
            return bad_request("InefficientFilter",
                               "The restriction or sort order is too complex for this operation.");
        }
        if (name != "$filter" && name != "$select" && name != "$top" && name != "$skip" &&
            name != "$orderby") {
            return bad_query("The query parameter '" + name + "' is not supported.");
        }
    }
    return std::nullopt;
}

}  // namespace

bool wants_immutable_ids(const HttpRequest& request) {
    return std::any_of(request.headers.begin(), request.headers.end(), [](const auto& header) {
        return iequals(header.first, "Prefer") &&
               lower(header.second).find(R"(idtype="immutableid")") != std::string::npos;
    });
}

void apply_preference(const HttpRequest& request, HttpAnswer& answer) {
    if (wants_immutable_ids(request)) {
        answer.set_header("Preference-Applied", R"(IdType="ImmutableId")");
    }
}

Json::Value item_json(const GraphCall& call, const GraphItem& item,
                      const std::set<std::string>& select) {
    const auto wanted = [&select](const char* name) {
        return select.empty() || select.count(name) > 0;
    };
    const bool draft = item.shown_as_draft(call.now);
    Json::Value json;
    json["@odata.etag"] = "W/\"" + fingerprint(item.id) + "\"";
    json["id"] = wants_immutable_ids(call.request) ? item.immutable_id : item.id;
    const auto put = [&](const char* name, const Json::Value& value) {
        if (wanted(name)) {
            json[name] = value;
        }
    };
    put("internetMessageId", item.message_id);
    put("isDraft", draft);
    put("parentFolderId", "AAMkADRfolder" + base64url(item.shown_folder(call.now)) + "=");
    put("subject", item.subject);
    put("createdDateTime", graph_time(item.created));
    put("sentDateTime", graph_time(draft ? item.created : item.sent));
    put("hasAttachments", !item.attachments.empty());
    put("isRead", true);
    put("toRecipients", recipients_json(item.facts.to));
    put("ccRecipients", recipients_json(item.facts.cc));
    put("bccRecipients", recipients_json(item.facts.bcc));
    if (!item.facts.from.addresses.empty()) {
        put("from", recipients_json(item.facts.from)[0]);
    }
    if (select.count("internetMessageHeaders") > 0) {
        json["internetMessageHeaders"] = Json::Value(Json::arrayValue);
        for (const auto& [name, value] : item.facts.headers) {
            Json::Value header;
            header["name"] = name;
            header["value"] = value;
            json["internetMessageHeaders"].append(header);
        }
    }
    return json;
}

GraphReply list_messages(const GraphCall& call) {
    const auto query = query_parameters(call.request.query);
    if (auto error = judge_options(query)) {
        return *error;
    }
    const auto top = number_of(query, "$top", kUsualPage);
    const auto skipped = number_of(query, "$skip", 0);
    const auto text = query.find("$filter");
    const auto filter = text == query.end() ? Filter() : parse_filter(text->second);
    if (!top || *top == 0 || *top > kBiggestPage || !skipped || !filter) {
        return bad_query("Invalid filter clause, or $top or $skip is out of range.");
    }
    const std::string& mailbox = call.mailbox.address;
    const auto candidates = filter->message_id
                                ? call.state.store.with_message_id(mailbox, *filter->message_id)
                                : call.state.store.all(mailbox);
    const std::set<std::string> select = selected(query);
    Json::Value json;
    json["@odata.context"] = call.state.base_url + "/v1.0/$metadata#users/messages";
    json["value"] = Json::Value(Json::arrayValue);
    std::size_t seen = 0;
    for (const auto& item : candidates) {
        if (!passes(*item, *filter, call.route.folder, call.now) || seen++ < *skipped) {
            continue;
        }
        if (json["value"].size() == *top) {
            json["@odata.nextLink"] = call.state.base_url + call.request.path +
                                      "?$skip=" + std::to_string(*skipped + *top);
            break;
        }
        json["value"].append(item_json(call, *item, select));
    }
    HttpAnswer answer = graph_json(200, json);
    apply_preference(call.request, answer);
    return answer;
}

GraphReply get_message(const GraphCall& call) {
    const auto item = find_item(call);
    if (!item || call.now < item->found_from) {
        return item_not_found();
    }
    const auto query = query_parameters(call.request.query);
    HttpAnswer answer = graph_json(200, item_json(call, *item, selected(query)));
    apply_preference(call.request, answer);
    return answer;
}

GraphReply get_mime(const GraphCall& call) {
    const auto item = find_item(call);
    const auto bytes = item && item->raw ? item->raw->read() : std::nullopt;
    if (!bytes) {
        return item_not_found();
    }
    HttpAnswer answer;
    answer.body = *bytes;
    answer.set_header("Content-Type", "text/plain");
    return answer;
}

}  // namespace postbearer::rehearsal
