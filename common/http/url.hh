// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "common/result.hh"

namespace postbearer::http {

/// What messages and transport rules need to know of a URL.
struct UrlParts {
    std::string scheme;  // lower case
    std::string host;    // lower case; an IPv6 address keeps its brackets
    std::string origin;  // scheme://host[:port], nothing behind it
    std::string path;    // with its leading slash, no query
    bool loopback = false;
};

/// Splits `url` and applies the one rule for where we may talk to: https anywhere, http only to a
/// loopback address and only with `allow_http_loopback`, or to 169.254.169.254 with
/// `allow_http_metadata`; no user name or password, no fragment.
/// Error: Config. The text names the host at most, because a URL may carry what is not ours to
/// show.
[[nodiscard]] Result<UrlParts> check_url(const std::string& url, bool allow_http_loopback,
                                         bool allow_http_metadata = false);

/// `proxy` must be http://[user:password@]host:port. Error: Config, without the credentials.
[[nodiscard]] Result<UrlParts> check_proxy(const std::string& proxy);

/// Host of any absolute URL, printable; empty if it is none.
[[nodiscard]] std::string host_of(const std::string& url);

/// A literal of 127.0.0.0/8, [::1], or `localhost` (which libcurl resolves to those itself).
[[nodiscard]] bool is_loopback_host(std::string_view host);

}  // namespace postbearer::http
