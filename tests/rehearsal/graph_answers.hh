// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <string>

#include "http_message.hh"
#include "records.hh"

namespace postbearer::rehearsal {

/// What Graph says in {"error":{...}}.
struct GraphError {
    unsigned status = 500;
    std::string code;
    std::string message;
    std::string inner_code;  // empty: innerError has no code
    HttpHeaders headers{};
};

[[nodiscard]] HttpAnswer graph_error_answer(const GraphError& error, const HttpRequest& request,
                                            RequestRecord& record, WallTime now);
[[nodiscard]] HttpAnswer graph_json(unsigned status, const Json::Value& body);
[[nodiscard]] HttpAnswer graph_empty(unsigned status);
/// The headers that stand on every answer of Graph: request-id (made if the record has none),
/// client-request-id, x-ms-ags-diagnostic.
void add_graph_headers(HttpAnswer& answer, const HttpRequest& request, RequestRecord& record);

[[nodiscard]] GraphError not_authenticated(const std::string& why);
/// Continuous access evaluation: get a new token that meets `claims` (JSON).
[[nodiscard]] GraphError claims_challenge(const std::string& claims);
[[nodiscard]] GraphError access_denied();
[[nodiscard]] GraphError item_not_found();
[[nodiscard]] GraphError bad_request(const std::string& code, const std::string& message);
[[nodiscard]] GraphError throttled(const std::string& limit, std::int64_t retry_after_seconds);

/// "2026-11-21T04:43:24Z", as Graph writes dates.
[[nodiscard]] std::string graph_time(WallTime time);

}  // namespace postbearer::rehearsal
