// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "http_message.hh"
#include "records.hh"

namespace postbearer::rehearsal {

/// How the token of one answer is spoilt.
struct Twists {
    bool foreign_key = false;
    std::string kid;  // header kid instead of ours
    bool expired = false;
};

/// One part of what we stand in for: a set of endpoints. Entra's token side and the generic
/// issuer exist; Graph, device and authorize become rooms of their own.
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
