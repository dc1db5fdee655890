// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/http_client.hh"

namespace postbearer::test {

/// HttpClient that answers from a script when told to, and keeps what it was asked.
class ScriptedHttp final : public http::HttpClient {
public:
    struct Seen {
        http::Method method = http::Method::Post;
        std::string url;
        std::vector<std::string> headers;
        std::string authorization;
        std::string body;
        http::Transport transport;
    };

    void send(http::Request request, http::Completion<Result<http::Response>> done) override;

    /// Next answer of the script.
    void answer(long status, std::string_view body,
                std::string_view content_type = "application/json");
    void answer(http::Response response);
    void fail(Errc code, std::string context);

    /// Completes waiting requests while the script lasts, those sent meanwhile too.
    void run();

    [[nodiscard]] const std::vector<Seen>& seen() const noexcept { return seen_; }
    [[nodiscard]] std::size_t waiting() const noexcept { return waiting_.size(); }

private:
    std::vector<Seen> seen_;
    std::deque<http::Completion<Result<http::Response>>> waiting_;
    std::deque<Result<http::Response>> script_;
};

/// A response as providers send it.
[[nodiscard]] http::Response json_response(long status, std::string_view body);

}  // namespace postbearer::test
