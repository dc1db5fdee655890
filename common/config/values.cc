// SPDX-License-Identifier: Apache-2.0
#include "common/config/values.hh"

#include <algorithm>

namespace postbearer::config {
namespace {

constexpr std::size_t kMaxAccountBytes = 320;  // RFC 5321: 64 + "@" + 255
constexpr std::size_t kMaxDomainBytes = 253;
constexpr std::size_t kMaxSocketPath = 107;  // sun_path without its final NUL

std::string in_quotes(std::string_view text) { return '"' + printable(text, 120) + '"'; }

bool is_ascii(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > 0; });
}

bool is_label(std::string_view label) noexcept {
    const auto is_label_character = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    };
    return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
           std::all_of(label.begin(), label.end(), is_label_character);
}

bool is_domain(std::string_view domain) noexcept {
    if (domain.size() > kMaxDomainBytes) {
        return false;
    }
    for (;;) {
        const std::size_t dot = domain.find('.');
        if (!is_label(domain.substr(0, dot))) {
            return false;
        }
        if (dot == std::string_view::npos) {
            return true;
        }
        domain.remove_prefix(dot + 1);
    }
}

/// What is wrong with a pattern that is not `*`; empty: nothing.
std::string pattern_fault(std::string_view pattern) {
    const std::size_t at = pattern.rfind('@');
    if (at == std::string_view::npos) {
        std::string fault = "expected an address, @domain or *, found " + in_quotes(pattern);
        return is_domain(pattern) ? fault + "; did you mean \"@" + std::string(pattern) + "\"?"
                                  : fault;
    }
    const std::string_view local = pattern.substr(0, at);
    const std::string_view domain = pattern.substr(at + 1);
    if (local == "*" && is_domain(domain)) {
        return "patterns within an address are not known; did you mean \"@" + std::string(domain) +
               "\"?";
    }
    if (domain.starts_with("*.")) {
        return in_quotes(pattern) +
               ": sub-domains take a rule each, @domain matches that domain only";
    }
    if (!is_ascii(domain)) {
        return "write the domain of " + in_quotes(pattern) + " in its ASCII form (xn--...)";
    }
    if (!is_domain(domain)) {
        return in_quotes(domain) + " is not a mail domain";
    }
    if (pattern.size() > kMaxAccountBytes || local.find_first_of(" @,;<>") != local.npos) {
        return in_quotes(pattern) + " is not one address";
    }
    return {};
}

struct Url {
    std::string_view scheme;
    std::string_view authority;
    std::string_view host;
    std::string_view rest;  // from the first '/', '?' or '#'
};

bool is_port(std::string_view text) noexcept {
    const auto number = parse_decimal(text);
    return number && *number >= 1 && *number <= 65'535;
}

std::optional<Url> split_url(std::string_view text) {
    const auto is_url_character = [](char c) {
        return c > ' ' && c < 0x7F && std::string_view("\"<>\\^`{|}").find(c) == std::string::npos;
    };
    const std::size_t mark = text.find("://");
    if (mark == std::string_view::npos || mark == 0 ||
        !std::all_of(text.begin(), text.end(), is_url_character)) {
        return std::nullopt;
    }
    Url url;
    url.scheme = text.substr(0, mark);
    text.remove_prefix(mark + 3);
    const std::size_t end = std::min(text.find_first_of("/?#"), text.size());
    url.authority = text.substr(0, end);
    url.rest = text.substr(end);
    std::string_view after_host;
    if (url.authority.starts_with('[')) {
        const std::size_t close = url.authority.find(']');
        if (close == std::string_view::npos) {
            return std::nullopt;
        }
        url.host = url.authority.substr(0, close + 1);
        after_host = url.authority.substr(close + 1);
    } else {
        url.host = url.authority.substr(0, url.authority.find(':'));
        after_host = url.authority.substr(url.host.size());
    }
    const bool good_port =
        after_host.empty() || (after_host.starts_with(':') && is_port(after_host.substr(1)));
    if (url.host.empty() || (!good_port && url.authority.find('@') == std::string_view::npos)) {
        return std::nullopt;
    }
    return url;
}

bool is_loopback(std::string_view host) {
    const auto is_number = [](char c) { return (c >= '0' && c <= '9') || c == '.'; };
    return host == "localhost" || host == "[::1]" ||
           (host.starts_with("127.") && std::all_of(host.begin(), host.end(), is_number));
}

}  // namespace

std::optional<std::string> line_value(const Value& value) {
    const auto text = value.as_string();
    if (!text) {
        return std::nullopt;
    }
    if (text->empty()) {
        value.error("must not be empty");
        return std::nullopt;
    }
    if (!is_plain_utf8(*text)) {
        value.error("holds control characters");
        return std::nullopt;
    }
    return std::string(*text);
}

std::optional<std::string> path_value(const Value& value) {
    auto path = line_value(value);
    if (path && !path->starts_with('/')) {
        value.error("expected an absolute path, found " + in_quotes(*path));
        return std::nullopt;
    }
    return path;
}

std::optional<std::string> readable_path(const Value& value, const ConfigHost& host) {
    auto path = path_value(value);
    if (!path) {
        return std::nullopt;
    }
    if (const auto readable = host.can_read(*path); !readable) {
        value.error(printable(*path, 200) + " " + readable.error().context);
        return std::nullopt;
    }
    return path;
}

std::optional<std::string> account_pattern(const Value& value) {
    auto text = line_value(value);
    if (!text || *text == "*") {
        return text;
    }
    std::string pattern = ascii_lower(*text);
    if (const std::string fault = pattern_fault(pattern); !fault.empty()) {
        value.error(fault);
        return std::nullopt;
    }
    return pattern;
}

std::optional<std::string> endpoint_value(const Value& value, PlainHttp plain_http) {
    auto text = line_value(value);
    if (!text) {
        return std::nullopt;
    }
    const auto url = split_url(*text);
    if (!url || (url->scheme != "https" && url->scheme != "http")) {
        value.error("expected an https:// URL");
        return std::nullopt;
    }
    if (url->authority.find('@') != std::string_view::npos) {
        value.error("a user or password in a URL is refused");
        return std::nullopt;
    }
    if (url->rest.find('#') != std::string_view::npos) {
        value.error("a URL with a fragment (#...) is no endpoint");
        return std::nullopt;
    }
    if (url->scheme == "http" && !is_loopback(url->host)) {
        value.error("must be https: a secret would go over the wire in clear");
        return std::nullopt;
    }
    if (url->scheme == "http" && plain_http == PlainHttp::Never) {
        value.error("http on this host needs allow_http_loopback = true in [agent]");
        return std::nullopt;
    }
    return text;
}

std::optional<std::string> proxy_value(const Value& value) {
    auto text = line_value(value);
    if (!text) {
        return std::nullopt;
    }
    const auto url = split_url(*text);
    if (url && url->authority.find('@') != std::string_view::npos) {
        // the value stays out of the message: it holds a password
        value.error("a proxy with user and password is not supported by this version");
        return std::nullopt;
    }
    if (!url || url->scheme != "http" || (!url->rest.empty() && url->rest != "/")) {
        value.error("expected a proxy such as \"http://proxy.example.com:3128\"");
        return std::nullopt;
    }
    return text;
}

std::optional<std::string> socket_path_value(const Value& value) {
    auto path = path_value(value);
    if (path && path->size() > kMaxSocketPath) {
        value.error("a socket's path has at most 107 bytes, this one " +
                    std::to_string(path->size()));
        return std::nullopt;
    }
    return path;
}

std::optional<mode_t> mode_value(const Value& value) {
    const auto text = value.as_string();
    if (!text) {
        return std::nullopt;
    }
    mode_t mode = 0;
    const bool octal =
        std::all_of(text->begin(), text->end(), [](char c) { return c >= '0' && c <= '7'; });
    if (!octal || text->size() < 3 || text->size() > 4 ||
        (text->size() == 4 && text->front() != '0')) {
        value.error("expected an octal mode such as \"0660\"");
        return std::nullopt;
    }
    for (const char c : *text) {
        mode = mode * 8 + static_cast<mode_t>(c - '0');
    }
    return mode;
}

std::string known_group(const Value& value, const ConfigHost& host) {
    auto name = line_value(value);
    if (name && !host.group_id(*name)) {
        value.error("there is no group \"" + *name + "\" on this host");
    }
    return std::move(name).value_or("");
}

}  // namespace postbearer::config
