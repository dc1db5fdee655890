// SPDX-License-Identifier: Apache-2.0
#include "token-agent/credentials/federated_token.hh"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "common/base64.hh"
#include "common/config/text_file.hh"
#include "common/text.hh"
#include "token-agent/json.hh"

namespace postbearer::agent {
namespace {

constexpr std::size_t kMaxClaimBytes = 70;  // three of them fit into one sentence

bool is_base64url(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_';
    });
}

/// HEADER.PAYLOAD.SIGNATURE
bool looks_like_jwt(std::string_view text) {
    const std::size_t first = text.find('.');
    const std::size_t second = text.find('.', first + 1);
    return first != std::string_view::npos && second != std::string_view::npos &&
           is_base64url(text.substr(0, first)) &&
           is_base64url(text.substr(first + 1, second - first - 1)) &&
           is_base64url(text.substr(second + 1));
}

Result<WipedBytes> read_bytes(int fd) {
    WipedBytes bytes(kMaxFederatedTokenBytes + 1);
    std::size_t used = 0;
    while (used < bytes.size()) {
        const ssize_t got = ::read(fd, bytes.data() + used, bytes.size() - used);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return failure(Errc::Config, "cannot be read: " + config::system_error_text(errno));
        }
        if (got == 0) {
            break;
        }
        used += static_cast<std::size_t>(got);
    }
    bytes.resize(used);
    return bytes;
}

std::string claim(const char* name, std::string_view value) {
    return std::string(name) + " '" + printable(value, kMaxClaimBytes) + "'";
}

}  // namespace

Result<Secret> read_federated_token(const std::string& path) {
    const auto file = config::open_regular_file(path);
    if (!file) {
        return failure(Errc::Config, path + " " + file.error().context);
    }
    if ((file->status.st_mode & S_IWOTH) != 0) {
        return failure(Errc::Config,
                       path + " can be written by every local user: chmod o-w " + path);
    }
    const auto bytes = read_bytes(file->fd.get());
    if (!bytes) {
        return failure(Errc::Config, path + " " + bytes.error().context);
    }
    if (bytes->size() > kMaxFederatedTokenBytes) {
        return failure(Errc::Config, path + " is larger than 64 KiB");
    }
    const std::string_view token = trimmed(view(*bytes));
    if (!looks_like_jwt(token)) {
        return failure(Errc::Config, path + " holds no JWT");
    }
    return Secret(token);
}

std::string presented_claims(std::string_view jwt) {
    if (!looks_like_jwt(jwt)) {
        return {};
    }
    const std::size_t first = jwt.find('.');
    const auto payload = base64_decode(jwt.substr(first + 1, jwt.find('.', first + 1) - first - 1));
    const auto json = payload ? JsonObject::parse(view(*payload)) : failure(Errc::Protocol, "");
    if (!json) {
        return {};
    }
    std::string_view audience = json->text_or_empty("aud");
    if (const auto list = json->texts("aud"); !list.empty()) {
        audience = list.front();
    }
    return claim("iss", json->text_or_empty("iss")) + ", " +
           claim("sub", json->text_or_empty("sub")) + ", " + claim("aud", audience);
}

}  // namespace postbearer::agent
