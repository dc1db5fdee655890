// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
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
};

struct Request {
    Method method = Method::Post;
    std::string url;
    std::vector<std::string> headers;  // "Name: value", no secret in them
    Secret authorization;              // value of an Authorization header; empty: none
    Secret body;                       // sent as application/x-www-form-urlencoded with Post
    Transport transport;
    std::chrono::milliseconds connect_timeout{5'000};
    std::chrono::milliseconds total_timeout{30'000};
    std::size_t max_body_bytes = 256 * 1024;
};

struct Response {
    long status = 0;
    std::string content_type;                         // lower case, without parameters
    std::optional<std::chrono::seconds> retry_after;  // RFC 9110 10.2.3, both forms, never negative
    std::optional<WallTime> date;                     // the server's clock (Date header)
    std::string redirect_host;  // where a 3xx points, for messages; may be empty
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
