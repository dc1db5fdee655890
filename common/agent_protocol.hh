// SPDX-License-Identifier: Apache-2.0
#pragma once

// The framing of agent.sock and admin.sock: Postfix's attribute lists. A message is `name=value`
// lines, each ended by LF, and an empty line. Names are [a-z_]{1,32}; a value is all after the
// first '=', UTF-8 without control characters, possibly empty. postbearer-agent(8), PROTOCOL.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "common/result.hh"
#include "common/secret.hh"

namespace postbearer::protocol {

inline constexpr std::size_t kMaxRequestBytes = 8UL * 1024;
inline constexpr std::size_t kMaxAnswerBytes = 64UL * 1024;
inline constexpr std::size_t kMaxAdminBytes = 1024UL * 1024;
inline constexpr std::size_t kMaxNameBytes = 32;
inline constexpr int kVersion = 1;

struct Attribute {
    std::string_view name;
    std::string_view value;
};

/// The attributes of one message, as views into the caller's buffer.
class Attributes {
public:
    /// `block` is one whole message with its empty line. Error: Protocol, naming the line number
    /// and the fault, never the content.
    [[nodiscard]] static Result<Attributes> parse(std::string_view block);

    [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const noexcept;
    [[nodiscard]] std::string_view value_or(std::string_view name,
                                            std::string_view fallback) const noexcept;
    [[nodiscard]] const std::vector<Attribute>& all() const noexcept { return list_; }

private:
    std::vector<Attribute> list_;
};

/// Length of the first whole message in `buffer`, its empty line included; nullopt: not yet whole.
/// `scan_from` is where an earlier call stopped, so that slow senders cost no rescans.
[[nodiscard]] std::optional<std::size_t> message_length(std::string_view buffer,
                                                        std::size_t scan_from = 0) noexcept;

/// Builds one message. It may hold a token, so its memory is wiped.
class MessageWriter {
public:
    explicit MessageWriter(std::size_t expected_bytes = 512);

    /// Precondition of the codec, checked by the caller's types or by sendable(): a valid name, a
    /// value without control characters. A value that is not sendable is replaced by printable().
    MessageWriter& add(std::string_view name, std::string_view value);
    MessageWriter& add(std::string_view name, std::int64_t value);
    /// Ends the message with its empty line.
    [[nodiscard]] Secret finish() &&;

private:
    WipedBytes bytes_;
};

}  // namespace postbearer::protocol
