// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace postbearer::milter {

/// An IPv4 or IPv6 address; an IPv4-mapped IPv6 address is its IPv4 address.
struct IpAddress {
    std::array<std::uint8_t, 16> bytes{};
    bool v6 = false;

    [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);
    /// AF_INET and AF_INET6; others give nothing.
    [[nodiscard]] static std::optional<IpAddress> of(const sockaddr& address);
    [[nodiscard]] std::string text() const;
    [[nodiscard]] bool is_loopback() const noexcept;
};

/// RFC 4632 / RFC 4291: "192.0.2.0/24", "2001:db8::/32", or one address.
struct Network {
    IpAddress base;
    unsigned prefix = 0;

    /// nullopt: no network, or bits set behind the prefix.
    [[nodiscard]] static std::optional<Network> parse(std::string_view text);
    [[nodiscard]] bool contains(const IpAddress& address) const noexcept;
    [[nodiscard]] bool contains(const Network& other) const noexcept;
};

[[nodiscard]] bool any_contains(std::span<const Network> networks,
                                const std::optional<IpAddress>& address) noexcept;

}  // namespace postbearer::milter
