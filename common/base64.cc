// SPDX-License-Identifier: Apache-2.0
#include "common/base64.hh"

#include <algorithm>
#include <cstdint>

namespace postbearer {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::optional<std::uint32_t> value_of(char c) noexcept {
    if (c == '-') {
        return 62;
    }
    if (c == '_') {
        return 63;
    }
    const std::size_t at = kAlphabet.find(c);
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    return static_cast<std::uint32_t>(at);
}

std::string_view without_padding(std::string_view text) noexcept {
    for (int i = 0; i < 2 && text.ends_with('='); ++i) {
        text.remove_suffix(1);
    }
    return text;
}

}  // namespace

WipedBytes base64_encode(std::string_view bytes) {
    WipedBytes out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    while (!bytes.empty()) {
        const std::size_t taken = bytes.size() < 3 ? bytes.size() : 3;
        std::uint32_t group = 0;
        for (std::size_t i = 0; i < 3; ++i) {
            group = (group << 8U) | (i < taken ? static_cast<unsigned char>(bytes[i]) : 0U);
        }
        for (std::size_t i = 0; i < 4; ++i) {
            const std::uint32_t index = (group >> (18U - 6U * i)) & 0x3FU;
            out.push_back(i <= taken ? kAlphabet[index] : '=');
        }
        bytes.remove_prefix(taken);
    }
    return out;
}

WipedBytes base64url_encode(std::string_view bytes) {
    WipedBytes out = base64_encode(bytes);
    while (!out.empty() && out.back() == '=') {
        out.pop_back();
    }
    std::replace(out.begin(), out.end(), '+', '-');
    std::replace(out.begin(), out.end(), '/', '_');
    return out;
}

std::optional<WipedBytes> base64_decode(std::string_view text) {
    text = without_padding(text);
    if (text.size() % 4 == 1) {
        return std::nullopt;
    }
    WipedBytes out;
    out.reserve(text.size() / 4 * 3 + 2);
    std::uint32_t bits = 0;
    unsigned held = 0;
    for (const char c : text) {
        const auto value = value_of(c);
        if (!value) {
            return std::nullopt;
        }
        bits = (bits << 6U) | *value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out.push_back(static_cast<char>((bits >> held) & 0xFFU));
        }
    }
    return out;
}

}  // namespace postbearer
