// SPDX-License-Identifier: Apache-2.0
#include <json/reader.h>
#include <json/writer.h>

#include <sstream>

#include "tests/support/failure.hh"
#include "tests/support/http_call.hh"
#include "tests/support/rehearsal_process.hh"

namespace postbearer::test {

Json::Value json_of(const std::string& text) {
    Json::CharReaderBuilder builder;
    Json::CharReaderBuilder::strictMode(&builder.settings_);
    builder["strictRoot"] = false;
    Json::Value value;
    std::string errors;
    std::istringstream in(text);
    if (!Json::parseFromStream(builder, in, &value, &errors)) {
        fail("not JSON: " + text + ": " + errors);
    }
    return value;
}

Json::Value http_over_unix(const Path& socket, const std::string& method, const std::string& path,
                           const Json::Value& body) {
    const HttpReply reply = http_call(
        {.url = "http://localhost" + path,
         .method = method,
         .body = body.isNull() ? "" : Json::writeString(Json::StreamWriterBuilder(), body),
         .unix_socket = socket});
    if (reply.status / 100 != 2) {
        fail(method + " " + path + " on " + socket.string() + ": " + std::to_string(reply.status) +
             " " + reply.body);
    }
    return reply.json();
}

}  // namespace postbearer::test
