// SPDX-License-Identifier: Apache-2.0
#include "http_message.hh"

#include <algorithm>
#include <array>
#include <cstdio>

namespace postbearer::rehearsal {
namespace {

constexpr std::size_t kChunkBytes = 16384;

struct Reason {
    unsigned status;
    const char* phrase;
};
constexpr Reason kReasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {429, "Too Many Requests"},
    {500, "Internal Server Error"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {507, "Insufficient Storage"},
};

const char* reason_phrase(unsigned status) {
    const auto* const found =
        std::find_if(std::begin(kReasons), std::end(kReasons),
                     [status](const Reason& r) { return r.status == status; });
    return found == std::end(kReasons) ? "Rehearsed" : found->phrase;
}

std::string chunked(const std::string& body) {
    std::string out;
    out.reserve(body.size() + body.size() / kChunkBytes * 8 + 16);
    for (std::size_t at = 0; at < body.size(); at += kChunkBytes) {
        const std::size_t length = std::min(kChunkBytes, body.size() - at);
        std::array<char, 24> size{};
        (void)std::snprintf(size.data(), size.size(), "%zx\r\n", length);  // always fits
        out += size.data();
        out.append(body, at, length);
        out += "\r\n";
    }
    return out + "0\r\n\r\n";
}

}  // namespace

std::string HttpRequest::header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
        if (iequals(key, name)) {
            return value;
        }
    }
    return {};
}

std::string HttpRequest::media_type() const {
    std::string type = lower(header("Content-Type"));
    type.resize(std::min(type.find(';'), type.size()));
    while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) {
        type.pop_back();
    }
    return type;
}

void HttpAnswer::set_header(const std::string& name, std::string value) {
    for (auto& [key, old] : headers) {
        if (iequals(key, name)) {
            old = std::move(value);
            return;
        }
    }
    headers.emplace_back(name, std::move(value));
}

WireAnswer to_wire(const HttpAnswer& answer, bool keep_alive, bool head_only, WallTime now) {
    const auto framing = answer.delivery.framing;
    std::string head =
        "HTTP/1.1 " + std::to_string(answer.status) + " " + reason_phrase(answer.status) + "\r\n";
    for (const auto& [name, value] : answer.headers) {
        head += name + ": " + value + "\r\n";
    }
    head += "Date: " + http_date(now + answer.date_skew.value_or(std::chrono::seconds(0))) + "\r\n";
    if (framing == Delivery::Framing::Chunked) {
        head += "Transfer-Encoding: chunked\r\n";
    } else if (framing == Delivery::Framing::Length && answer.status != 204) {
        head += "Content-Length: " + std::to_string(answer.body.size()) + "\r\n";
    }
    if (!keep_alive) {
        head += "Connection: close\r\n";
    }
    head += "\r\n";
    WireAnswer wire{std::move(head), 0};
    wire.head_bytes = wire.bytes.size();
    if (!head_only && answer.status != 204) {
        wire.bytes += framing == Delivery::Framing::Chunked ? chunked(answer.body) : answer.body;
    }
    return wire;
}

}  // namespace postbearer::rehearsal
