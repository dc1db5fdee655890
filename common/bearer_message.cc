// SPDX-License-Identifier: Apache-2.0
#include "common/bearer_message.hh"

#include <string>

#include "common/text.hh"

namespace postbearer {
namespace {

/// What stands around user, host and token, with room for an escaped user.
constexpr std::size_t kFrameBytes = 64;

Result<void> check(std::string_view user, const Secret& token) {
    if (user.empty() || !is_plain_utf8(user)) {
        return failure(Errc::Protocol, "the user name is empty or has control characters");
    }
    const std::string_view text = token.reveal();
    unsigned strangers = 0;
    for (const char c : text) {
        strangers += c > ' ' && c < '\x7F' ? 0U : 1U;
    }
    if (text.empty() || strangers != 0) {
        return failure(Errc::Protocol, "the token is empty or has blanks or control characters");
    }
    return {};
}

/// RFC 5801 section 4, saslname.
void append_saslname(WipedBytes& out, std::string_view name) {
    for (const char c : name) {
        if (c == ',') {
            append(out, "=2C");
        } else if (c == '=') {
            append(out, "=3D");
        } else {
            out.push_back(c);
        }
    }
}

void append_auth(WipedBytes& out, const Secret& token) {
    append(out, "auth=Bearer ");
    append(out, token.reveal());
    append(out, "\x01\x01");
}

}  // namespace

Result<WipedBytes> xoauth2_message(std::string_view user, const Secret& token) {
    if (auto checked = check(user, token); !checked) {
        return tl::unexpected(std::move(checked.error()));
    }
    WipedBytes out;
    out.reserve(user.size() + token.size() + kFrameBytes);
    append(out, "user=");
    append(out, user);
    out.push_back('\x01');
    append_auth(out, token);
    return out;
}

Result<WipedBytes> oauthbearer_message(std::string_view user, BearerServer server,
                                       const Secret& token) {
    if (auto checked = check(user, token); !checked) {
        return tl::unexpected(std::move(checked.error()));
    }
    if (!is_plain_utf8(server.host)) {
        return failure(Errc::Protocol, "the name of the server has control characters");
    }
    WipedBytes out;
    out.reserve(user.size() * 3 + server.host.size() + token.size() + kFrameBytes);
    append(out, "n,a=");
    append_saslname(out, user);
    append(out, ",\x01");
    if (!server.host.empty()) {
        append(out, "host=");
        append(out, server.host);
        out.push_back('\x01');
    }
    if (server.port) {
        append(out, "port=");
        append(out, std::to_string(*server.port));
        out.push_back('\x01');
    }
    append_auth(out, token);
    return out;
}

}  // namespace postbearer
