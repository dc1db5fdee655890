// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>

#include "http_message.hh"

namespace postbearer::rehearsal {

/// Which of Graph's calls a request is.
struct GraphRoute {
    enum class Call {
        Unknown,  // below /v1.0, but nothing that mail has
        SendMail,
        Create,
        List,
        Get,
        GetMime,
        Patch,
        Delete,
        Send,
        Attach,
        OpenSession,
        Me,
        Upload,  // PUT, GET and DELETE of a session's own URL
    };
    Call call = Call::Unknown;
    std::string user;     // decoded; "me" for /me
    std::string folder;   // of a list; empty: the whole mailbox
    std::string message;  // id
    std::string session;  // number of an upload session
};

/// Nothing if the request is none of Graph's.
[[nodiscard]] std::optional<GraphRoute> graph_route(const HttpRequest& head);
/// The name that behaviours and records use: sendmail, messages, lookup, item, send, attachments,
/// upload_session, upload, me; empty for Unknown.
[[nodiscard]] const char* endpoint_name(GraphRoute::Call call);

/// RFC 3986 section 2.1; broken escapes stay as they are.
[[nodiscard]] std::string percent_decoded(std::string_view text, bool plus_is_blank);
/// The parameters of a query, names and values decoded; the last of a name wins.
[[nodiscard]] std::map<std::string, std::string> query_parameters(const std::string& query);

}  // namespace postbearer::rehearsal
