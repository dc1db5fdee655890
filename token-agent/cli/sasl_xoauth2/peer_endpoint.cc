// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/sasl_xoauth2/peer_endpoint.hh"

#include <algorithm>
#include <iterator>

#include "common/http/url.hh"
#include "common/text.hh"

namespace postbearer::cli {
namespace {

struct KnownHost {
    std::string_view host;
    std::string_view type;
    std::string_view cloud;
};

constexpr KnownHost kHosts[] = {
    {"login.microsoftonline.com", "microsoft", "global"},
    {"login.microsoft.com", "microsoft", "global"},
    {"login.windows.net", "microsoft", "global"},
    {"sts.windows.net", "microsoft", "global"},
    {"login.microsoftonline.us", "microsoft", "gcc-high"},
    {"login.partner.microsoftonline.cn", "microsoft", "china"},
    {"login.chinacloudapi.cn", "microsoft", "china"},
    {"accounts.google.com", "google", ""},
    {"oauth2.googleapis.com", "google", ""},
    {"www.googleapis.com", "google", ""},
    {"api.login.yahoo.com", "yahoo", ""},
    {"api.login.aol.com", "aol", ""},
    {"api.fastmail.com", "fastmail", ""},
};

bool is_tenant(std::string_view text) noexcept {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '.';
    });
}

/// /TENANT/oauth2/v2.0/token, or the older /TENANT/oauth2/token.
Result<std::string> tenant_in(std::string_view path) {
    for (const std::string_view tail : {"/oauth2/v2.0/token", "/oauth2/token"}) {
        if (path.starts_with('/') && path.ends_with(tail) &&
            is_tenant(path.substr(1, std::max(path.size() - tail.size(), std::size_t{1}) - 1))) {
            return std::string(path.substr(1, path.size() - tail.size() - 1));
        }
    }
    return failure(Errc::Config,
                   "token_endpoint is none of Microsoft's, which are "
                   "https://login.microsoftonline.com/TENANT/oauth2/v2.0/token");
}

}  // namespace

Result<PeerEndpoint> read_peer_endpoint(const std::string& url) {
    const auto parts = http::check_url(url, false);
    if (!parts || !is_plain_utf8(url) || url.find_first_of(" ?") != std::string::npos) {
        return failure(Errc::Config, "token_endpoint is no https:// URL of a token endpoint");
    }
    PeerEndpoint out;
    const auto* const known =
        std::find_if(std::begin(kHosts), std::end(kHosts),
                     [&parts](const KnownHost& each) { return each.host == parts->host; });
    if (known == std::end(kHosts)) {
        out.type = "oidc";
        out.token_endpoint = url;
        return out;
    }
    out.type = known->type;
    out.cloud = known->cloud;
    out.national_cloud_guess = known->cloud == "gcc-high";
    if (out.type == "microsoft") {
        auto tenant = tenant_in(parts->path);
        if (!tenant) {
            return tl::unexpected(tenant.error());
        }
        out.tenant = std::move(*tenant);
    }
    return out;
}

}  // namespace postbearer::cli
