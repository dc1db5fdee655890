// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "http_message.hh"
#include "records.hh"

namespace postbearer::rehearsal {

/// How the token of one answer is spoilt.
struct Twists {
    bool foreign_key = false;
    std::string kid;  // header kid instead of ours
    bool expired = false;
};

/// How much of a request's body is read, and how.
struct BodyPlan {
    std::size_t keep_bytes = 1024 * 1024;      // a longer one reaches the room with its size only
    std::size_t read_bytes = 8 * 1024 * 1024;  // a longer one ends the connection
    std::optional<std::size_t> reset_after_bytes;  // as ordered
};

/// One request of a room that decides by the head alone, from the head to the answer's last byte.
/// Whatever the request holds (a slot of its mailbox) is freed by the destructor.
class Visit {
public:
    Visit() = default;
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;
    Visit(Visit&&) = delete;
    Visit& operator=(Visit&&) = delete;
    virtual ~Visit() = default;
    [[nodiscard]] virtual BodyPlan plan() const = 0;
    /// The well-behaved answer.
    [[nodiscard]] virtual HttpAnswer serve(const HttpRequest& request, RequestRecord& record,
                                           WallTime now) = 0;
};

/// One part of what we stand in for: a set of endpoints that decide by head and body: Entra's token
/// side and the generic issuer. Graph's room hands out visits instead.
class Room {
public:
    virtual ~Room() = default;
    /// True if the path is one of this room's; then room, endpoint, tenant and what the request
    /// says about its client stand in `record`.
    [[nodiscard]] virtual bool claim(const HttpRequest& request, RequestRecord& record) const = 0;
    /// The well-behaved answer to a request this room has claimed.
    [[nodiscard]] virtual HttpAnswer serve(const HttpRequest& request, RequestRecord& record,
                                           const Twists& twists, WallTime now) = 0;
};

}  // namespace postbearer::rehearsal
