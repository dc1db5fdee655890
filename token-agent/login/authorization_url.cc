// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/authorization_url.hh"

#include <algorithm>

#include "common/http/url.hh"
#include "common/text.hh"
#include "token-agent/form.hh"

namespace postbearer::agent {
namespace {

constexpr std::size_t kMaxRedirectBytes = 512;

void add(std::string& url, std::string_view name, std::string_view value) {
    if (value.empty()) {
        return;
    }
    WipedBytes pair;
    pair.push_back(url.find('?') == std::string::npos ? '?' : '&');
    append(pair, name);
    pair.push_back('=');
    append_form_encoded(pair, value);
    url += view(pair);
}

bool has_word(std::string_view list, std::string_view word) {
    for (std::size_t at = list.find(word); at != std::string_view::npos;
         at = list.find(word, at + 1)) {
        const std::size_t end = at + word.size();
        if ((at == 0 || list[at - 1] == ' ') && (end == list.size() || list[end] == ' ')) {
            return true;
        }
    }
    return false;
}

struct Redirect {
    std::string host;
    std::string port;  // empty: none written
    std::string path;  // at least "/"
};

/// Without a parser's kindness: what is compared here must be what was written.
bool split(const std::string& uri, Redirect& out) {
    constexpr std::string_view kScheme = "http://";
    if (uri.size() > kMaxRedirectBytes || uri.compare(0, kScheme.size(), kScheme) != 0 ||
        uri.find_first_of("?#@\\ \"<>") != std::string::npos || !is_plain_utf8(uri)) {
        return false;
    }
    std::string_view rest = std::string_view(uri).substr(kScheme.size());
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    out.path = slash == rest.size() ? "/" : std::string(rest.substr(slash));
    rest = rest.substr(0, slash);
    const std::size_t colon =
        rest.find(':', rest.find(']') == std::string_view::npos ? 0 : rest.find(']'));
    if (colon != std::string_view::npos) {
        out.port = rest.substr(colon + 1);
        const auto number = parse_decimal(out.port);
        if (!number || *number == 0 || *number > 65535) {
            return false;
        }
    }
    out.host = rest.substr(0, colon);
    return http::is_loopback_host(out.host);
}

}  // namespace

std::string authorization_url(const AuthorizationWish& wish) {
    std::string url = wish.endpoint;
    add(url, "response_type", "code");
    add(url, "client_id", wish.client_id);
    add(url, "redirect_uri", wish.redirect_uri);
    add(url, "scope", wish.scope);
    add(url, "state", wish.state);
    add(url, "nonce", wish.nonce);
    add(url, "code_challenge", wish.challenge);
    add(url, "code_challenge_method", "S256");
    add(url, "login_hint", wish.login_hint);
    if (wish.type == ProviderType::Microsoft) {
        add(url, "prompt", "select_account");
    } else if (wish.type == ProviderType::Google) {
        add(url, "access_type", "offline");
        add(url, "prompt", "consent");
    } else if (wish.type == ProviderType::Oidc && has_word(wish.scope, "offline_access")) {
        add(url, "prompt", "consent");
    }
    return url;
}

bool is_loopback_redirect(const std::string& uri) {
    Redirect parts;
    return split(uri, parts);
}

bool fits_redirect(const std::string& uri, const std::string& configured) {
    if (!uri.empty() && uri == configured) {
        return true;
    }
    Redirect given;
    Redirect wanted;
    if (!split(uri, given)) {
        return false;
    }
    if (configured.empty()) {  // any path: the CLI chooses, the server compares
        return given.host == "localhost" || given.host == "127.0.0.1";
    }
    return split(configured, wanted) && given.host == wanted.host && given.path == wanted.path &&
           (wanted.port.empty() || given.port == wanted.port);
}

}  // namespace postbearer::agent
