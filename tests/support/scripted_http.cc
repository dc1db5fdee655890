// SPDX-License-Identifier: Apache-2.0
#include "tests/support/scripted_http.hh"

#include <utility>

namespace postbearer::test {

http::Response json_response(long status, std::string_view body) {
    http::Response response;
    response.status = status;
    response.content_type = "application/json";
    response.body = Secret(body);
    return response;
}

void ScriptedHttp::send(http::Request request, http::Completion<Result<http::Response>> done) {
    Seen seen;
    seen.method = request.method;
    seen.url = std::move(request.url);
    seen.headers = std::move(request.headers);
    seen.authorization = request.authorization.reveal();
    seen.body = request.body.reveal();
    seen.transport = std::move(request.transport);
    seen_.push_back(std::move(seen));
    waiting_.push_back(std::move(done));
}

void ScriptedHttp::answer(long status, std::string_view body, std::string_view content_type) {
    http::Response response = json_response(status, body);
    response.content_type = content_type;
    answer(std::move(response));
}

void ScriptedHttp::answer(http::Response response) { script_.emplace_back(std::move(response)); }

void ScriptedHttp::fail(Errc code, std::string context) {
    script_.emplace_back(failure(code, std::move(context)));
}

void ScriptedHttp::run() {
    while (!waiting_.empty() && !script_.empty()) {
        const auto done = std::move(waiting_.front());
        waiting_.pop_front();
        auto answer = std::move(script_.front());
        script_.pop_front();
        done(std::move(answer));
    }
}

}  // namespace postbearer::test
