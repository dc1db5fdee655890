// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/redirect_request.hh"

#include <algorithm>
#include <limits>

#include "common/text.hh"

namespace postbearer::cli {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kScheme = "http://";
constexpr std::uint16_t kHttpPort = 80;

/// RFC 9110 section 5.6.2.
bool is_token(std::string_view text) noexcept {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
               std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
    });
}

/// Visible ASCII: what a URL on the wire is made of.
bool is_visible(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7F'; });
}

std::string_view take_until(std::string_view& rest, std::string_view mark) noexcept {
    const std::size_t at = rest.find(mark);
    const std::string_view part = rest.substr(0, at);
    rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + mark.size());
    return part;
}

struct RequestLine {
    std::string_view method;
    std::string_view target;
    std::string_view version;
};

std::optional<RequestLine> parse_request_line(std::string_view line) noexcept {
    RequestLine out;
    out.method = take_until(line, " ");
    out.target = take_until(line, " ");
    out.version = line;
    if (!is_token(out.method) || out.target.empty() || !is_visible(out.target) ||
        !out.version.starts_with("HTTP/") || !is_visible(out.version)) {
        return std::nullopt;
    }
    return out;
}

struct Fields {
    std::optional<std::string_view> host;
    bool body = false;
};

/// nullopt: malformed, or more than one Host (RFC 9112 section 3.2).
std::optional<Fields> parse_fields(std::string_view rest) {
    Fields fields;
    while (!rest.empty()) {
        std::string_view line = take_until(rest, kLineEnd);
        if (line.empty()) {
            return fields;
        }
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
            return std::nullopt;
        }
        const std::string name = ascii_lower(line.substr(0, colon));
        const std::string_view value = trimmed(line.substr(colon + 1));
        if (name == "host") {
            if (fields.host) {
                return std::nullopt;
            }
            fields.host = value;
        }
        fields.body = fields.body || name == "transfer-encoding" ||
                      (name == "content-length" && value != "0");
    }
    return fields;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    const auto number = parse_decimal(text);
    if (!number || *number == 0 || *number > std::numeric_limits<std::uint16_t>::max()) {
        return std::nullopt;
    }
    return static_cast<std::uint16_t>(*number);
}

}  // namespace

std::string RedirectUri::with_port(std::uint16_t chosen) const {
    return std::string(kScheme) + host + ":" + std::to_string(chosen) + path;
}

Result<RedirectUri> parse_redirect_uri(std::string_view uri) {
    const auto refuse = [&uri](std::string_view why) {
        return failure(Errc::Config, "redirect_uri " + printable(uri, 200) + " " +
                                         std::string(why) +
                                         "; a login by browser needs one such as "
                                         "http://localhost or http://127.0.0.1:8400/callback");
    };
    if (!uri.starts_with(kScheme)) {
        return refuse("is not http://");
    }
    std::string_view rest = uri.substr(kScheme.size());
    RedirectUri out;
    const std::size_t slash = std::min(rest.find_first_of("/?#"), rest.size());
    out.path = std::string(rest.substr(slash));
    std::string_view authority = rest.substr(0, slash);
    out.host = ascii_lower(take_until(authority, ":"));
    if (out.host != "localhost" && out.host != "127.0.0.1") {
        return refuse("is not on localhost or 127.0.0.1");
    }
    if (out.path.find_first_of("?#") != std::string::npos || !is_visible(out.path)) {
        return refuse("has more than a path behind the host");
    }
    if (!authority.empty()) {
        const auto port = parse_port(authority);
        if (!port) {
            return refuse("has no usable port");
        }
        out.port = *port;
    }
    return out;
}

Result<ExpectedRedirect> expect_redirect(const RedirectUri& uri, std::uint16_t port,
                                         std::string_view authorize_url) {
    const std::string_view state = url_parameter(authorize_url, "state").value_or("");
    if (state.empty()) {
        return failure(Errc::Protocol,
                       "the address that the agent gave has no state, so that an answer to it "
                       "could come from anybody");
    }
    ExpectedRedirect expected;
    expected.authority = uri.host;
    if (port != kHttpPort) {  // browsers leave the scheme's own port out
        expected.authority += ":" + std::to_string(port);
    }
    expected.path = uri.path.empty() ? "/" : uri.path;
    expected.state = std::string(state);
    return expected;
}

std::optional<std::size_t> request_head_length(std::string_view bytes) noexcept {
    const std::size_t end = bytes.find("\r\n\r\n");
    return end == std::string_view::npos ? std::nullopt : std::optional(end + 4);
}

RequestVerdict judge_request(std::string_view head, const ExpectedRedirect& expected) {
    std::string_view rest = head;
    const auto line = parse_request_line(take_until(rest, kLineEnd));
    const auto fields = line ? parse_fields(rest) : std::nullopt;
    if (!fields || !fields->host) {
        return {400, {}};
    }
    if (line->version != "HTTP/1.1" && line->version != "HTTP/1.0") {
        return {505, {}};
    }
    if (ascii_lower(*fields->host) != expected.authority) {
        return {421, {}};
    }
    if (line->method != "GET") {
        return {405, {}};
    }
    std::string_view query = line->target;
    if (take_until(query, "?") != expected.path) {
        return {404, {}};
    }
    const bool ours = !expected.state.empty() &&
                      query_parameter(query, "state") == std::string_view(expected.state);
    if (fields->body || query.empty() || !ours) {
        return {400, {}};
    }
    return {200, query};
}

std::optional<std::string_view> query_parameter(std::string_view query, std::string_view name) {
    std::optional<std::string_view> found;
    while (!query.empty()) {
        std::string_view pair = take_until(query, "&");
        if (take_until(pair, "=") == name) {
            if (found) {
                return std::nullopt;
            }
            found = pair;
        }
    }
    return found;
}

std::optional<std::string_view> url_parameter(std::string_view url, std::string_view name) {
    (void)take_until(url, "?");
    return query_parameter(take_until(url, "#"), name);
}

}  // namespace postbearer::cli
