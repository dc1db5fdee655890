// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/clock.hh"
#include "common/result.hh"
#include "common/secret.hh"

namespace postbearer::http {

template <typename T>
using Completion = std::function<void(T)>;

enum class Method { Get, Post };

/// Where a request may go and whom it trusts.
struct Transport {
    std::string ca_file;  // PEM; empty: the system's certificates
    std::string proxy;  // http://[user:password@]host:port; empty: none, the environment is ignored
    /// Plain http is accepted for 127.0.0.0/8, ::1 and localhost only, and only with this.
    bool allow_http_loopback = false;
    /// Plain http to 169.254.169.254: what a cloud tells its own machines.
    bool allow_http_metadata = false;
};

/// A request body that is made while it is sent. Read on the loop's thread, from front to end.
class BodySource {
public:
    virtual ~BodySource() = default;
    [[nodiscard]] virtual std::uint64_t size() const noexcept = 0;
    /// Fills `space` from its front; 0 only at the end. Negative: it cannot be read, which ends the
    /// request with Internal.
    [[nodiscard]] virtual std::ptrdiff_t read(std::span<char> space) noexcept = 0;
    /// Back to the first byte, because the HTTP client would send the request once more on another
    /// connection (a kept one has died, HTTP/2 refused a stream). False: it must not, and the
    /// request ends with Unavailable. A source whose last byte was read has to refuse unless the
    /// server may get the request twice.
    [[nodiscard]] virtual bool rewind() noexcept = 0;
};

struct Request {
    Method method = Method::Post;
    std::string url;
    std::vector<std::string> headers;  // "Name: value", no secret in them
    Secret authorization;              // value of an Authorization header; empty: none
    Secret body;                       // sent with Post
    Transport transport;
    std::chrono::milliseconds connect_timeout{5'000};
    std::chrono::milliseconds total_timeout{30'000};
    std::size_t max_body_bytes = 256 * 1024;

    std::shared_ptr<BodySource> body_source;  // sent with Post instead of `body`
    std::string content_type;                 // empty: application/x-www-form-urlencoded
    /// From the moment the last byte of body_source was taken; zero: total_timeout alone counts.
    std::chrono::milliseconds answer_timeout{0};
    bool fresh_connection = false;  // neither one that was kept before, nor kept afterwards
    /// What is beyond max_body_bytes is read and dropped, where it would be an error otherwise.
    bool cut_large_answer = false;
    std::vector<std::string> wanted_headers;  // lower case: they come back in Response::headers
};

struct Response {
    long status = 0;
    std::string content_type;                         // lower case, without parameters
    std::optional<std::chrono::seconds> retry_after;  // RFC 9110 10.2.3, both forms, never negative
    std::optional<WallTime> date;                     // the server's clock (Date header)
    std::string redirect_host;                   // where a 3xx points, for messages; may be empty
    std::map<std::string, std::string> headers;  // the wanted ones; several values: "a, b"
    Secret body;
};

/// Calls `done` exactly once, later, on the loop's thread, at the latest when the total time-out
/// has passed. TLS >= 1.2 is verified, redirects are not followed (a 3xx is a value like any
/// status). Errors: Unavailable (DNS, connect, TLS, reset), Timeout, Protocol (too large, not
/// HTTP), Config (URL or scheme refused); the context names host and cause, never a secret.
class HttpClient {
public:
    virtual ~HttpClient() = default;
    virtual void send(Request request, Completion<Result<Response>> done) = 0;
};

}  // namespace postbearer::http
