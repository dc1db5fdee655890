// SPDX-License-Identifier: Apache-2.0
#include "graph_answers.hh"

#include "json.hh"

namespace postbearer::rehearsal {
namespace {

constexpr const char* kAuthorize = "https://login.microsoftonline.com/common/oauth2/authorize";
constexpr const char* kDiagnostic =
    R"({"ServerInfo":{"DataCenter":"Rehearsal","Slice":"E","Ring":"1","ScaleUnit":"000",)"
    R"("RoleInstance":"AGS1"}})";

const std::string& id_of(RequestRecord& record) {
    if (record.request_id.empty()) {
        record.request_id = guid();
    }
    return record.request_id;
}

}  // namespace

std::string graph_time(WallTime time) {
    std::string text = entra_timestamp(time);
    text[text.find(' ')] = 'T';
    return text;
}

HttpAnswer graph_json(unsigned status, const Json::Value& body) {
    HttpAnswer answer;
    answer.status = status;
    answer.body = to_text(body);
    answer.set_header("Content-Type",
                      "application/json;odata.metadata=minimal;odata.streaming=true;"
                      "IEEE754Compatible=false;charset=utf-8");
    return answer;
}

HttpAnswer graph_empty(unsigned status) {
    HttpAnswer answer;
    answer.status = status;
    return answer;
}

void add_graph_headers(HttpAnswer& answer, const HttpRequest& request, RequestRecord& record) {
    answer.set_header("request-id", id_of(record));
    const std::string theirs = request.header("client-request-id");
    answer.set_header("client-request-id", theirs.empty() ? id_of(record) : theirs);
    answer.set_header("x-ms-ags-diagnostic", kDiagnostic);
    answer.set_header("Cache-Control", "private");
}

HttpAnswer graph_error_answer(const GraphError& error, const HttpRequest& request,
                              RequestRecord& record, WallTime now) {
    Json::Value inner;
    if (!error.inner_code.empty()) {
        inner["code"] = error.inner_code;
    }
    const std::string theirs = request.header("client-request-id");
    inner["date"] = graph_time(now).substr(0, 19);
    inner["request-id"] = id_of(record);
    inner["client-request-id"] = theirs.empty() ? id_of(record) : theirs;
    Json::Value json;
    json["error"]["code"] = error.code;
    json["error"]["message"] = error.message;
    json["error"]["innerError"] = inner;
    HttpAnswer answer = graph_json(error.status, json);
    answer.set_header("Content-Type", "application/json");
    add_graph_headers(answer, request, record);
    for (const auto& [name, value] : error.headers) {
        answer.set_header(name, value);
    }
    return answer;
}

GraphError not_authenticated(const std::string& why) {
    return {
        401,
        "InvalidAuthenticationToken",
        why,
        "",
        {{"WWW-Authenticate", std::string(R"(Bearer realm="", authorization_uri=")") + kAuthorize +
                                  R"(", client_id="00000003-0000-0000-c000-000000000000")"}}};
}

GraphError claims_challenge(const std::string& claims) {
    return {401,
            "InvalidAuthenticationToken",
            "Continuous access evaluation resulted in challenge with result: InteractionRequired "
            "and code: TokenIssuedBeforeRevocationTimestamp",
            "",
            {{"WWW-Authenticate",
              std::string(R"(Bearer realm="", authorization_uri=")") + kAuthorize +
                  R"(", client_id="00000003-0000-0000-c000-000000000000", )" +
                  R"(error="insufficient_claims", claims=")" + base64(claims) + "\""}}};
}

GraphError access_denied() {
    return {403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.", ""};
}

GraphError item_not_found() {
    return {404, "ErrorItemNotFound", "The specified object was not found in the store.", ""};
}

GraphError bad_request(const std::string& code, const std::string& message) {
    return {400, code, message, ""};
}

GraphError throttled(const std::string& limit, std::int64_t retry_after_seconds) {
    return {429,
            "ApplicationThrottled",
            "Application is over its " + limit + " limit.",
            "",
            {{"Retry-After", std::to_string(retry_after_seconds)}}};
}

}  // namespace postbearer::rehearsal
