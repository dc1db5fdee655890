// SPDX-License-Identifier: Apache-2.0
#include "graph_route.hh"

#include <algorithm>
#include <charconv>
#include <vector>

#include "token_request.hh"

namespace postbearer::rehearsal {
namespace {

using Call = GraphRoute::Call;

constexpr std::string_view kUploadBegin = "AttachmentSessions('";

bool is_upload(const std::vector<std::string>& path) {
    return path.size() == 3 && path[0] == "api" && path[1] == "gv1.0" &&
           path[2].rfind(kUploadBegin, 0) == 0;
}

Call call_of(const std::string& method, Call get, Call post, Call patch, Call remove) {
    if (method == "GET") {
        return get;
    }
    if (method == "POST") {
        return post;
    }
    if (method == "PATCH") {
        return patch;
    }
    return method == "DELETE" ? remove : Call::Unknown;
}

/// `rest` begins behind the user: sendMail, messages/..., mailFolders/F/messages.
void read_rest(const std::string& method, const std::vector<std::string>& rest, GraphRoute& route) {
    const auto is = [&rest](std::size_t at, const char* name) { return iequals(rest[at], name); };
    if (rest.size() == 1 && (is(0, "sendMail") || is(0, "microsoft.graph.sendMail"))) {
        route.call = method == "POST" ? Call::SendMail : Call::Unknown;
        return;
    }
    if (rest.size() == 3 && is(0, "mailFolders") && is(2, "messages")) {
        route.folder = lower(rest[1]);
        route.call = method == "GET" ? Call::List : Call::Unknown;
        return;
    }
    if (rest.empty() || !is(0, "messages")) {
        return;
    }
    if (rest.size() == 1) {
        route.call = call_of(method, Call::List, Call::Create, Call::Unknown, Call::Unknown);
        return;
    }
    route.message = rest[1];
    if (rest.size() == 2) {
        route.call = call_of(method, Call::Get, Call::Unknown, Call::Patch, Call::Delete);
    } else if (rest.size() == 3 && is(2, "$value") && method == "GET") {
        route.call = Call::GetMime;
    } else if (rest.size() == 3 && is(2, "send") && method == "POST") {
        route.call = Call::Send;
    } else if (rest.size() == 3 && is(2, "attachments") && method == "POST") {
        route.call = Call::Attach;
    } else if (rest.size() == 4 && is(2, "attachments") && is(3, "createUploadSession") &&
               method == "POST") {
        route.call = Call::OpenSession;
    }
}

}  // namespace

std::string percent_decoded(std::string_view text, bool plus_is_blank) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned char byte = 0;
        const char* const begin = text.data() + i + 1;
        if (text[i] == '%' && i + 2 < text.size() &&
            std::from_chars(begin, begin + 2, byte, 16).ptr == begin + 2) {
            out += static_cast<char>(byte);
            i += 2;
        } else {
            out += text[i] == '+' && plus_is_blank ? ' ' : text[i];
        }
    }
    return out;
}

std::map<std::string, std::string> query_parameters(const std::string& query) {
    std::map<std::string, std::string> parameters;
    std::size_t at = 0;
    while (at < query.size()) {
        const std::size_t end = std::min(query.find('&', at), query.size());
        const std::string_view part = std::string_view(query).substr(at, end - at);
        const std::size_t equals = std::min(part.find('='), part.size());
        const std::string_view value = part.substr(std::min(equals + 1, part.size()));
        parameters[percent_decoded(part.substr(0, equals), true)] = percent_decoded(value, true);
        at = end + 1;
    }
    return parameters;
}

std::optional<GraphRoute> graph_route(const HttpRequest& head) {
    std::vector<std::string> path = path_segments(head.path);
    GraphRoute route;
    if (is_upload(path)) {
        route.call = Call::Upload;
        const std::string tail = path[2].substr(kUploadBegin.size());
        route.session = tail.substr(0, tail.find('\''));
        return route;
    }
    if (path.size() < 2 || path[0] != "v1.0") {
        return std::nullopt;
    }
    for (std::string& segment : path) {
        segment = percent_decoded(segment, false);
    }
    if (iequals(path[1], "me")) {
        route.user = "me";
        if (path.size() == 2 && head.method == "GET") {
            route.call = Call::Me;
            return route;
        }
        read_rest(head.method, {path.begin() + 2, path.end()}, route);
    } else if (iequals(path[1], "users") && path.size() > 2) {
        route.user = path[2];
        read_rest(head.method, {path.begin() + 3, path.end()}, route);
    }
    return route;
}

const char* endpoint_name(Call call) {
    switch (call) {
        case Call::SendMail:
            return "sendmail";
        case Call::Create:
            return "messages";
        case Call::List:
        case Call::Get:
        case Call::GetMime:
            return "lookup";
        case Call::Patch:
        case Call::Delete:
            return "item";
        case Call::Send:
            return "send";
        case Call::Attach:
            return "attachments";
        case Call::OpenSession:
            return "upload_session";
        case Call::Upload:
            return "upload";
        case Call::Me:
            return "me";
        case Call::Unknown:
            break;
    }
    return "";
}

}  // namespace postbearer::rehearsal
