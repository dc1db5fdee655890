// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
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
        std::string body;  // of a body_source: what was read of it
        http::Transport transport;
        std::string content_type;
        bool fresh_connection = false;
        std::chrono::milliseconds total_timeout{0};
        std::chrono::milliseconds answer_timeout{0};
    };

    void send(http::Request request, http::Completion<Result<http::Response>> done) override;

    /// Next answer of the script. A body_source is read to its end before it is given, or only
    /// this far after read_only().
    void answer(long status, std::string_view body,
                std::string_view content_type = "application/json");
    void answer(http::Response response);
    void fail(Errc code, std::string context);
    /// For the answer that is added next.
    void read_only(std::uint64_t bytes) { read_only_ = bytes; }

    /// Completes waiting requests while the script lasts, those sent meanwhile too.
    void run();

    [[nodiscard]] const std::vector<Seen>& seen() const noexcept { return seen_; }
    [[nodiscard]] std::size_t waiting() const noexcept { return waiting_.size(); }

private:
    struct Waiting {
        http::Completion<Result<http::Response>> done;
        std::shared_ptr<http::BodySource> source;
        std::size_t index;  // in seen_
    };
    struct Line {
        Result<http::Response> answer;
        std::uint64_t read_bytes;
    };
    void add(Result<http::Response> answer);

    std::vector<Seen> seen_;
    std::deque<Waiting> waiting_;
    std::deque<Line> script_;
    std::uint64_t read_only_ = UINT64_MAX;
};

/// A response as providers send it.
[[nodiscard]] http::Response json_response(long status, std::string_view body);

}  // namespace postbearer::test
