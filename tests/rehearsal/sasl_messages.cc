// SPDX-License-Identifier: Apache-2.0
#include "sasl_messages.hh"

#include <algorithm>
#include <map>
#include <optional>

namespace postbearer::rehearsal {
namespace {

constexpr char kSeparator = '\001';
constexpr std::string_view kBearer = "Bearer ";

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool clean(std::string_view text) {
    return !text.empty() && std::none_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    });
}

/// RFC 6750 section 2.1, b64token.
bool is_token(std::string_view text) {
    while (!text.empty() && text.back() == '=') {
        text.remove_suffix(1);
    }
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return is_letter(c) || (c >= '0' && c <= '9') ||
               std::string_view("-._~+/").find(c) != std::string_view::npos;
    });
}

/// "Bearer T" -> T.
std::optional<std::string> bearer_token(std::string_view value) {
    if (value.substr(0, kBearer.size()) != kBearer || !is_token(value.substr(kBearer.size()))) {
        return std::nullopt;
    }
    return std::string(value.substr(kBearer.size()));
}

/// RFC 5801 section 4: only `=2C` and `=3D` are escapes, and `,` never stands bare.
std::optional<std::string> saslname(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        if (text.substr(0, 3) == "=2C" || text.substr(0, 3) == "=3D") {
            out += text[1] == '2' ? ',' : '=';
            text.remove_prefix(3);
        } else if (text.front() == '=' || text.front() == ',') {
            return std::nullopt;
        } else {
            out += text.front();
            text.remove_prefix(1);
        }
    }
    return out;
}

using Pairs = std::map<std::string, std::string, std::less<>>;

std::optional<Pairs> key_value_pairs(std::string_view text) {
    Pairs pairs;
    while (!text.empty()) {
        const std::size_t end = text.find(kSeparator);
        const std::size_t equals = text.find('=');
        if (end == std::string_view::npos || equals == std::string_view::npos || equals == 0 ||
            equals > end) {
            return std::nullopt;
        }
        const std::string key(text.substr(0, equals));
        const bool good = std::all_of(key.begin(), key.end(), is_letter) &&
                          pairs.emplace(key, text.substr(equals + 1, end - equals - 1)).second;
        if (!good) {
            return std::nullopt;
        }
        text.remove_prefix(end + 1);
    }
    return pairs;
}

}  // namespace

CredentialsOrReason parse_xoauth2(std::string_view message) {
    constexpr std::string_view kUser = "user=";
    constexpr std::string_view kAuth = "auth=";
    const std::size_t end = message.find(kSeparator);
    if (message.substr(0, kUser.size()) != kUser || end == std::string_view::npos) {
        return std::string("malformed: user= is missing");
    }
    const std::string_view user = message.substr(kUser.size(), end - kUser.size());
    std::string_view rest = message.substr(end + 1);
    if (!clean(user)) {
        return std::string("malformed: empty or unclean user");
    }
    if (rest.substr(0, kAuth.size()) != kAuth || rest.size() < kAuth.size() + 2 ||
        rest.substr(rest.size() - 2) != std::string_view("\001\001")) {
        return std::string("malformed: auth= or the two final ^A are missing");
    }
    const auto token = bearer_token(rest.substr(kAuth.size(), rest.size() - kAuth.size() - 2));
    if (!token) {
        return std::string("malformed: no bearer token");
    }
    return Credentials{std::string(user), *token};
}

CredentialsOrReason parse_oauthbearer(std::string_view message) {
    if (message.size() < 4 || message.substr(0, 4) != "n,a=") {
        return std::string("malformed: GS2 header n,a= is missing");
    }
    const std::size_t end = message.find(kSeparator);
    if (end == std::string_view::npos || message[end - 1] != ',') {
        return std::string("malformed: GS2 header does not end in ,^A");
    }
    const auto user = end > 5 ? saslname(message.substr(4, end - 5)) : std::nullopt;
    if (!user || !clean(*user)) {
        return std::string("malformed: empty or badly escaped authzid");
    }
    std::string_view pairs_text = message.substr(end + 1);
    if (pairs_text.empty() || pairs_text.back() != kSeparator) {
        return std::string("malformed: the final ^A is missing");
    }
    pairs_text.remove_suffix(1);
    const auto pairs = key_value_pairs(pairs_text);
    if (!pairs) {
        return std::string("malformed: key/value pairs");
    }
    const auto auth = pairs->find("auth");
    const auto token = auth == pairs->end() ? std::nullopt : bearer_token(auth->second);
    if (!token) {
        return std::string("malformed: no bearer token");
    }
    return Credentials{*user, *token};
}

CredentialsOrReason parse_plain(std::string_view message) {
    const std::size_t first = message.find('\0');
    const std::size_t second =
        first == std::string_view::npos ? first : message.find('\0', first + 1);
    if (second == std::string_view::npos ||
        message.find('\0', second + 1) != std::string_view::npos) {
        return std::string("malformed: two NUL are expected");
    }
    const std::string_view authzid = message.substr(0, first);
    const std::string_view user = message.substr(first + 1, second - first - 1);
    if (!clean(user) || !(authzid.empty() || authzid == user)) {
        return std::string("malformed: identity");
    }
    return Credentials{std::string(user), std::string(message.substr(second + 1))};
}

}  // namespace postbearer::rehearsal
