// SPDX-License-Identifier: Apache-2.0
#pragma once

// The milter's word to the LMTP front, carried by the queue: X-Postbearer-Route (design 4.6).
// HMAC-SHA256 over every field and the Message-ID, so that nobody else can say it, nor say it again
// for another message.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.hh"
#include "common/secret.hh"
#include "milter/config.hh"

namespace postbearer::milter {

/// 32 random bytes in STATE_DIR/route.key.
class RouteKey {
public:
    static constexpr std::size_t kBytes = 32;

    /// Reads the key, or makes it (0600, durable before it is used). Error: Config, naming the
    /// file, the cause and the fix.
    [[nodiscard]] static Result<RouteKey> load_or_make(const std::string& state_dir);
    explicit RouteKey(Secret key) : key_(std::move(key)) {}

    /// Lower-case hex of the HMAC; empty if OpenSSL fails.
    [[nodiscard]] std::string mac(std::string_view text) const;

private:
    Secret key_;
};

struct RouteStamp {
    Action action = Action::Graph;  // Graph or Discard
    std::string id;                 // queue id
    std::string route;
    std::string mailbox;  // empty with Discard
};

/// The header's value: `graph; id=..; route=..; mailbox=..; mac=..`, with `action=discard` before
/// the mac where it is one. Error: Internal.
[[nodiscard]] Result<std::string> sign(const RouteKey& key, const RouteStamp& stamp,
                                       std::string_view message_id);

/// Nothing unless the value was made by sign() with this key for this Message-ID and queue id.
[[nodiscard]] std::optional<RouteStamp> verify(const RouteKey& key, std::string_view value,
                                               std::string_view message_id,
                                               std::string_view queue_id);

/// `<QUEUEID.HMAC@DOMAIN>`: the same at every retry. `domain` is the mailbox's.
[[nodiscard]] std::string derived_message_id(const RouteKey& key, std::string_view queue_id,
                                             std::string_view mailbox);

}  // namespace postbearer::milter
