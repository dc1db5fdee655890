// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/device_response.hh"

#include <algorithm>
#include <optional>

#include "common/http/url.hh"
#include "common/text.hh"
#include "token-agent/json.hh"

namespace postbearer::agent {
namespace {

using std::chrono::seconds;

constexpr std::size_t kMaxDeviceCodeBytes = 8UL * 1024;
constexpr std::size_t kMaxUserCodeBytes = 64;
constexpr std::size_t kMaxUriBytes = 1024;
constexpr std::size_t kMaxMessageBytes = 600;
constexpr seconds kUsualLife{900};

/// Nothing that a user could misread, or a terminal obey.
bool is_visible(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

/// What a terminal shows and a user follows: an address that a browser opens safely.
bool is_shown_uri(std::string_view uri, bool allow_http_loopback) {
    return is_visible(uri) && uri.size() <= kMaxUriBytes &&
           uri.find_first_of("\"<>\\") == std::string_view::npos &&
           http::check_url(std::string(uri), allow_http_loopback).has_value();
}

bool is_device_code(std::string_view code) {
    return !code.empty() && code.size() <= kMaxDeviceCodeBytes && is_plain_utf8(code);
}

/// RFC 8628 section 3.2 makes it a positive number; nonsense is no lifetime.
std::optional<seconds> life_of(const JsonObject& json) {
    if (!json.has("expires_in")) {
        return kUsualLife;
    }
    const auto count = json.number("expires_in");
    if (!count || *count <= 0) {
        return std::nullopt;
    }
    return std::min(seconds(*count), kMaxDeviceLife);
}

seconds interval_of(const JsonObject& json) {
    const auto count = json.number("interval");
    return count && *count > 0 ? std::min(seconds(*count), kMaxInterval) : kDefaultInterval;
}

}  // namespace

Result<DeviceGrant> read_device_response(std::string_view body, bool allow_http_loopback) {
    const auto json = JsonObject::parse(body);
    if (!json) {
        return tl::unexpected(json.error());
    }
    const std::string_view device_code = json->text_or_empty("device_code");
    if (!is_device_code(device_code)) {
        return failure(Errc::Protocol, "no usable device_code");
    }
    const std::string_view user_code = json->text_or_empty("user_code");
    if (!is_visible(user_code) || user_code.size() > kMaxUserCodeBytes) {
        return failure(Errc::Protocol, "no usable user_code");
    }
    const std::string_view uri =
        json->text("verification_uri").value_or(json->text_or_empty("verification_url"));
    if (!is_shown_uri(uri, allow_http_loopback)) {
        return failure(Errc::Protocol, "no usable verification_uri (it must be https)");
    }
    const auto life = life_of(*json);
    if (!life) {
        return failure(Errc::Protocol, "expires_in is no positive number");
    }
    DeviceGrant grant;
    grant.device_code = Secret(device_code);
    grant.user_code = user_code;
    grant.verification_uri = uri;
    const std::string_view complete =
        json->text("verification_uri_complete")
            .value_or(json->text_or_empty("verification_url_complete"));
    if (is_shown_uri(complete, allow_http_loopback)) {
        grant.verification_uri_complete = complete;
    }
    const std::string_view message = json->text_or_empty("message");
    if (printable(message, kMaxMessageBytes) == message) {
        grant.message = message;
    }
    grant.expires_in = *life;
    grant.interval = interval_of(*json);
    return grant;
}

}  // namespace postbearer::agent
