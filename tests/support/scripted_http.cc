// SPDX-License-Identifier: Apache-2.0
#include "tests/support/scripted_http.hh"

#include <algorithm>
#include <utility>

namespace postbearer::test {

namespace {

std::string read_source(http::BodySource& source, std::uint64_t limit) {
    std::string all;
    char space[10'000];
    while (all.size() < limit) {
        const auto wanted = std::min<std::uint64_t>(sizeof space, limit - all.size());
        const std::ptrdiff_t got = source.read({space, static_cast<std::size_t>(wanted)});
        if (got <= 0) {
            break;
        }
        all.append(space, static_cast<std::size_t>(got));
    }
    return all;
}

}  // namespace

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
    seen.content_type = std::move(request.content_type);
    seen.fresh_connection = request.fresh_connection;
    seen.total_timeout = request.total_timeout;
    seen.answer_timeout = request.answer_timeout;
    seen_.push_back(std::move(seen));
    waiting_.push_back({std::move(done), std::move(request.body_source), seen_.size() - 1});
}

void ScriptedHttp::answer(long status, std::string_view body, std::string_view content_type) {
    http::Response response = json_response(status, body);
    response.content_type = content_type;
    answer(std::move(response));
}

void ScriptedHttp::answer(http::Response response) { add(std::move(response)); }

void ScriptedHttp::fail(Errc code, std::string context) { add(failure(code, std::move(context))); }

void ScriptedHttp::add(Result<http::Response> answer) {
    script_.push_back({std::move(answer), std::exchange(read_only_, UINT64_MAX)});
}

void ScriptedHttp::run() {
    while (!waiting_.empty() && !script_.empty()) {
        Waiting request = std::move(waiting_.front());
        waiting_.pop_front();
        Line line = std::move(script_.front());
        script_.pop_front();
        if (request.source != nullptr) {
            seen_[request.index].body = read_source(*request.source, line.read_bytes);
        }
        request.done(std::move(line.answer));
    }
}

}  // namespace postbearer::test
