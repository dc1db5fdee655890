// SPDX-License-Identifier: Apache-2.0
#include "common/http/url.hh"

#include <arpa/inet.h>
#include <curl/curl.h>

#include <optional>

#include "common/owned.hh"
#include "common/text.hh"

namespace postbearer::http {
namespace {

using UrlHandle = Owned<CURLU, curl_url_cleanup>;
using CurlText = Owned<char, curl_free>;

constexpr std::size_t kMaxUrlBytes = 4096;
constexpr std::size_t kMaxHostBytes = 255;
constexpr std::string_view kMetadataHost = "169.254.169.254";  // link-local, reached by no router

UrlHandle parse(const std::string& url) {
    UrlHandle handle(curl_url());
    if (handle == nullptr || url.empty() || url.size() > kMaxUrlBytes ||
        url.find('\0') != std::string::npos ||
        curl_url_set(handle.get(), CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME) !=
            CURLUE_OK) {
        return nullptr;
    }
    return handle;
}

std::optional<std::string> part(const UrlHandle& handle, CURLUPart which) {
    char* text = nullptr;
    if (curl_url_get(handle.get(), which, &text, 0) != CURLUE_OK) {
        return std::nullopt;
    }
    const CurlText owner(text);
    return std::string(text);
}

UrlParts split(const UrlHandle& handle) {
    UrlParts parts;
    parts.scheme = ascii_lower(part(handle, CURLUPART_SCHEME).value_or(""));
    parts.host = ascii_lower(part(handle, CURLUPART_HOST).value_or(""));
    parts.path = part(handle, CURLUPART_PATH).value_or("/");
    parts.origin = parts.scheme + "://" + parts.host;
    if (const auto port = part(handle, CURLUPART_PORT)) {
        parts.origin += ":" + *port;
    }
    parts.loopback = is_loopback_host(parts.host);
    return parts;
}

}  // namespace

bool is_loopback_host(std::string_view host) {
    if (host == "localhost" || host == "[::1]" || host == "::1") {
        return true;
    }
    in_addr address{};
    const std::string text(host);
    return inet_pton(AF_INET, text.c_str(), &address) == 1 && ntohl(address.s_addr) >> 24U == 127;
}

Result<UrlParts> check_url(const std::string& url, bool allow_http_loopback,
                           bool allow_http_metadata) {
    const UrlHandle handle = parse(url);
    if (handle == nullptr) {
        return failure(Errc::Config, "not a usable URL");
    }
    UrlParts parts = split(handle);
    const std::string name = printable(parts.host, kMaxHostBytes);
    if (parts.host.empty()) {
        return failure(Errc::Config, "the URL names no host");
    }
    if (part(handle, CURLUPART_USER) || part(handle, CURLUPART_PASSWORD)) {
        return failure(Errc::Config, name + ": a URL must not hold a user name or password");
    }
    if (part(handle, CURLUPART_FRAGMENT)) {
        return failure(Errc::Config, name + ": a URL must not hold a fragment (#)");
    }
    if (parts.scheme == "https") {
        return parts;
    }
    if (parts.scheme != "http") {
        return failure(Errc::Config, name + ": only https is allowed");
    }
    if (allow_http_metadata && parts.host == kMetadataHost) {
        return parts;
    }
    if (!parts.loopback) {
        return failure(Errc::Config, name + ": plain http is refused; use https");
    }
    if (!allow_http_loopback) {
        return failure(Errc::Config, name +
                                         ": plain http on loopback is refused; use https or set "
                                         "allow_http_loopback = true");
    }
    return parts;
}

Result<UrlParts> check_proxy(const std::string& proxy) {
    const UrlHandle handle = parse(proxy);
    if (handle == nullptr) {
        return failure(Errc::Config, "proxy is not a usable URL; write http://HOST:PORT");
    }
    UrlParts parts = split(handle);
    if (parts.scheme != "http" || parts.host.empty()) {
        return failure(Errc::Config, "proxy must be http://HOST:PORT");
    }
    return parts;
}

std::string host_of(const std::string& url) {
    const UrlHandle handle = parse(url);
    return handle == nullptr ? std::string() : printable(split(handle).host, kMaxHostBytes);
}

}  // namespace postbearer::http
