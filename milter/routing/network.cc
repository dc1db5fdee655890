// SPDX-License-Identifier: Apache-2.0
#include "milter/routing/network.hh"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>

#include "common/text.hh"

namespace postbearer::milter {
namespace {

constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned kMappedBits = 96;

unsigned bits_of(const IpAddress& address) noexcept { return address.v6 ? 128 : 32; }

/// The first `prefix` bits are the same.
bool same_prefix(const IpAddress& a, const IpAddress& b, unsigned prefix) noexcept {
    const std::size_t whole = prefix / 8;
    if (!std::equal(a.bytes.begin(), a.bytes.begin() + static_cast<std::ptrdiff_t>(whole),
                    b.bytes.begin())) {
        return false;
    }
    const unsigned rest = prefix % 8;
    return rest == 0 || (a.bytes[whole] >> (8 - rest)) == (b.bytes[whole] >> (8 - rest));
}

IpAddress from_v6(const std::array<std::uint8_t, 16>& bytes) noexcept {
    IpAddress result;
    if (std::equal(kMapped.begin(), kMapped.end(), bytes.begin())) {
        std::copy(bytes.begin() + 12, bytes.end(), result.bytes.begin());
        return result;
    }
    result.bytes = bytes;
    result.v6 = true;
    return result;
}

}  // namespace

bool IpAddress::is_loopback() const noexcept {
    constexpr std::uint8_t kNet127 = 127;
    if (!v6) {
        return bytes.front() == kNet127;
    }
    return bytes.back() == 1 &&
           std::all_of(bytes.begin(), bytes.end() - 1, [](std::uint8_t b) { return b == 0; });
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    if (text.find('\0') != std::string_view::npos) {
        return std::nullopt;
    }
    const std::string copy(text);
    std::array<std::uint8_t, 16> bytes{};
    if (::inet_pton(AF_INET, copy.c_str(), bytes.data()) == 1) {
        return IpAddress{bytes, false};
    }
    if (::inet_pton(AF_INET6, copy.c_str(), bytes.data()) == 1) {
        return from_v6(bytes);
    }
    return std::nullopt;
}

std::optional<IpAddress> IpAddress::of(const sockaddr& address) {
    // NOLINTBEGIN(cppcoreguidelines-pro-type-reinterpret-cast): the socket API is made so
    if (address.sa_family == AF_INET) {
        const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
        IpAddress result;
        const auto* from = reinterpret_cast<const std::uint8_t*>(&v4.sin_addr);
        std::copy(from, from + 4, result.bytes.begin());
        return result;
    }
    if (address.sa_family == AF_INET6) {
        const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
        std::array<std::uint8_t, 16> bytes{};
        const auto* from = reinterpret_cast<const std::uint8_t*>(&v6.sin6_addr);
        std::copy(from, from + 16, bytes.begin());
        return from_v6(bytes);
    }
    // NOLINTEND(cppcoreguidelines-pro-type-reinterpret-cast)
    return std::nullopt;
}

std::string IpAddress::text() const {
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    (void)::inet_ntop(v6 ? AF_INET6 : AF_INET, bytes.data(), buffer.data(), buffer.size());
    return buffer.data();
}

std::optional<Network> Network::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    std::string_view literal = text.substr(0, slash);
    if (literal.size() > 2 && literal.front() == '[' && literal.back() == ']') {
        literal = literal.substr(1, literal.size() - 2);  // as Postfix writes them
    }
    const auto address = IpAddress::parse(literal);
    if (!address) {
        return std::nullopt;
    }
    const unsigned bits = bits_of(*address);
    Network network{*address, bits};
    if (slash != std::string_view::npos) {
        // The prefix counts the bits of the text: an IPv4-mapped address is written with 128.
        const bool mapped = !address->v6 && literal.find(':') != std::string_view::npos;
        const unsigned before = mapped ? kMappedBits : 0;
        const auto prefix = parse_decimal(text.substr(slash + 1));
        if (!prefix || *prefix < before || *prefix > before + bits) {
            return std::nullopt;
        }
        network.prefix = static_cast<unsigned>(*prefix) - before;
    }
    for (unsigned bit = network.prefix; bit < bits; ++bit) {
        if ((address->bytes[bit / 8] >> (7 - bit % 8) & 1U) != 0) {
            return std::nullopt;
        }
    }
    return network;
}

bool Network::contains(const IpAddress& address) const noexcept {
    return address.v6 == base.v6 && same_prefix(address, base, prefix);
}

bool Network::contains(const Network& other) const noexcept {
    return other.prefix >= prefix && contains(other.base);
}

bool any_contains(std::span<const Network> networks,
                  const std::optional<IpAddress>& address) noexcept {
    return address && std::any_of(networks.begin(), networks.end(), [&](const Network& network) {
               return network.contains(*address);
           });
}

}  // namespace postbearer::milter
