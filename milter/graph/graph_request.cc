// SPDX-License-Identifier: Apache-2.0
#include "milter/graph/graph_request.hh"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "common/http/url.hh"
#include "common/text.hh"
#include "milter/envelope/mailbox_name.hh"

namespace postbearer::milter {
namespace {

constexpr std::chrono::milliseconds kConnectTimeout{5'000};
constexpr std::size_t kMaxHeaderBytes = 512;
constexpr std::size_t kMaxClaimsBytes = 6UL * 1024;  // a request to the agent holds 8 KiB

Secret bearer(const Secret& token) {
    WipedBytes value;
    value.reserve(token.size() + 8);
    append(value, "Bearer ");
    append(value, token.reveal());
    return Secret(std::move(value));
}

bool is_base64_character(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("+/-_=").find(c) != std::string_view::npos;
}

}  // namespace

std::string random_guid() {
    std::array<unsigned char, 16> bytes{};
    if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
        std::abort();  // OpenSSL without randomness is of no use for TLS either
    }
    bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0FU) | 0x40U);
    bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3FU) | 0x80U);
    constexpr std::string_view kHex = "0123456789abcdef";
    std::string text;
    text.reserve(36);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            text.push_back('-');
        }
        text.push_back(kHex[bytes[i] >> 4U]);
        text.push_back(kHex[bytes[i] & 0x0FU]);
    }
    return text;
}

http::Request send_mail_request(const GraphSettings& settings, SendMailParts parts) {
    http::Request request;
    request.method = http::Method::Post;
    request.url = settings.endpoint + "/v1.0/users/" + percent_encoded(parts.mailbox) + "/sendMail";
    request.headers = {"client-request-id: " + parts.client_request_id,
                       "User-Agent: NONISV|Postfix|postbearer-milter/" POSTBEARER_VERSION};
    request.content_type = "text/plain";
    request.authorization = bearer(parts.token);
    request.body_source = std::move(parts.body);
    request.transport.proxy = settings.proxy;
    request.transport.ca_file = settings.ca_file;
    request.transport.allow_http_loopback = settings.allow_http_loopback;
    request.connect_timeout = kConnectTimeout;
    request.total_timeout = parts.time_for_body + settings.answer_timeout;
    request.answer_timeout = settings.answer_timeout;
    request.fresh_connection = parts.fresh_connection;
    request.max_body_bytes = kMaxFaultBytes;
    request.cut_large_answer = true;  // the status is what counts
    request.wanted_headers = {"request-id", "client-request-id", "x-ms-ags-diagnostic",
                              "www-authenticate", "retry-after"};
    return request;
}

GraphFault fault_in(const http::Response& response) {
    GraphFault fault = read_fault(static_cast<int>(response.status), response.body.reveal());
    if (std::string id = header_in(response, "request-id"); !id.empty()) {
        fault.request_id = printable(id, kMaxCodeBytes);
    }
    return fault;
}

std::string header_in(const http::Response& response, const std::string& name) {
    const auto found = response.headers.find(name);
    return found == response.headers.end() ? std::string()
                                           : printable(found->second, kMaxHeaderBytes);
}

std::string claims_in(std::string_view www_authenticate) {
    const std::string lower = ascii_lower(www_authenticate);
    for (std::size_t at = lower.find("claims="); at != std::string::npos;
         at = lower.find("claims=", at + 1)) {
        if (at > 0 && std::string_view(" ,\t").find(lower[at - 1]) == std::string_view::npos) {
            continue;  // the end of another parameter's name
        }
        std::string_view value = www_authenticate.substr(at + std::string_view("claims=").size());
        const bool quoted = value.starts_with('"');
        value.remove_prefix(quoted ? 1 : 0);
        value = value.substr(0, value.find_first_of(quoted ? "\"" : ", \t"));
        const bool usable = !value.empty() && value.size() <= kMaxClaimsBytes &&
                            std::all_of(value.begin(), value.end(), is_base64_character);
        return usable ? std::string(value) : std::string();
    }
    return {};
}

std::string graph_host(const std::string& endpoint) { return http::host_of(endpoint); }

}  // namespace postbearer::milter
