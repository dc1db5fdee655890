// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a browser says to the loopback redirect of a login (RFC 8252 section 7.3), judged without
// sockets. Whatever runs on this host, and any web page, can send a request here; DNS rebinding
// brings foreign Host fields.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.hh"

namespace postbearer::cli {

inline constexpr std::size_t kMaxRequestHeadBytes = 16UL * 1024;

/// A redirect_uri that this program can serve.
struct RedirectUri {
    std::string host;        // "localhost" or "127.0.0.1", as registered
    std::uint16_t port = 0;  // 0: a free one
    std::string path;        // "" or "/...", as registered

    /// "http://localhost:4321/path"
    [[nodiscard]] std::string with_port(std::uint16_t chosen) const;
};

/// Error: Config, why a login by browser cannot use it here.
[[nodiscard]] Result<RedirectUri> parse_redirect_uri(std::string_view uri);

/// What a request must be to count.
struct ExpectedRedirect {
    std::string authority;  // "localhost:4321", the one Host that is right
    std::string path;       // "/" or longer
    std::string state;      // of the authorization URL; no request fits an empty one
};

/// Error: Protocol, the URL has no state, and any page could send us an answer.
[[nodiscard]] Result<ExpectedRedirect> expect_redirect(const RedirectUri& uri, std::uint16_t port,
                                                       std::string_view authorize_url);

/// Bytes up to and with the empty line; nullopt: not whole yet.
[[nodiscard]] std::optional<std::size_t> request_head_length(std::string_view bytes) noexcept;

struct RequestVerdict {
    int status = 400;        // what to answer; 200: this is the redirect
    std::string_view query;  // behind '?', a view into the head; holds the authorization code
};

/// `head` is whole. 400 malformed or another login's, 404 another path, 405 not GET, 421 meant for
/// another host, 505 another HTTP.
[[nodiscard]] RequestVerdict judge_request(std::string_view head, const ExpectedRedirect& expected);

/// The value of one parameter of a query, still percent-encoded; nullopt unless it is there once.
[[nodiscard]] std::optional<std::string_view> query_parameter(std::string_view query,
                                                              std::string_view name);
/// The same of a whole URL.
[[nodiscard]] std::optional<std::string_view> url_parameter(std::string_view url,
                                                            std::string_view name);

}  // namespace postbearer::cli
