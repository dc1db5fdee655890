// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "codec.hh"

namespace postbearer::rehearsal {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
    std::string method;
    std::string path;   // target up to '?', not decoded
    std::string query;  // after '?', not decoded
    HttpHeaders headers;
    std::string body;              // cut to nothing where it is longer than anybody wants to keep
    std::size_t body_bytes = 0;    // as they came
    std::uint64_t connection = 0;  // number of the TCP connection, counted from 1
    bool tls = true;

    /// First header of that name, or empty.
    [[nodiscard]] std::string header(std::string_view name) const;
    /// Content-Type without parameters, lower case.
    [[nodiscard]] std::string media_type() const;
};

/// How an answer goes onto the wire.
struct Delivery {
    enum class Way { Whole, Hang, ResetBefore, ResetInBody, Drip };
    enum class Framing { Length, Chunked, Close };
    Way way = Way::Whole;
    Framing framing = Framing::Length;
    std::chrono::milliseconds latency{0};
    std::size_t drip_bytes = 1;
    std::chrono::milliseconds drip_interval{500};
    std::uint64_t behaviour_id = 0;  // whose removal ends a hang
};

struct HttpAnswer {
    unsigned status = 200;
    HttpHeaders headers;  // without Date, Content-Length, Connection
    std::string body;
    std::optional<std::chrono::seconds> date_skew;
    Delivery delivery;

    void set_header(const std::string& name, std::string value);
};

struct WireAnswer {
    std::string bytes;
    std::size_t head_bytes = 0;
};
/// HTTP/1.1 message (RFC 9112) with Date, framing and Connection headers.
[[nodiscard]] WireAnswer to_wire(const HttpAnswer& answer, bool keep_alive, bool head_only,
                                 WallTime now);

}  // namespace postbearer::rehearsal
