// SPDX-License-Identifier: Apache-2.0
#include "codec.hh"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>

namespace postbearer::rehearsal {
namespace {

constexpr std::string_view kStandard =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrlSafe =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view kHexDigits = "0123456789abcdef";

/// 64 where a character is not of the alphabet.
std::array<unsigned char, 256> values_of(std::string_view alphabet) {
    std::array<unsigned char, 256> values{};
    values.fill(64);
    for (std::size_t i = 0; i < alphabet.size(); ++i) {
        values[static_cast<unsigned char>(alphabet[i])] = static_cast<unsigned char>(i);
    }
    return values;
}

std::string encode(std::string_view bytes, std::string_view alphabet, bool pad) {
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    std::uint32_t window = 0;
    int bits = 0;
    for (const char c : bytes) {
        window = (window << 8U) | static_cast<unsigned char>(c);
        bits += 8;
        while (bits >= 6) {
            bits -= 6;
            out += alphabet[(window >> static_cast<unsigned>(bits)) & 63U];
        }
    }
    if (bits > 0) {
        out += alphabet[(window << static_cast<unsigned>(6 - bits)) & 63U];
    }
    while (pad && out.size() % 4 != 0) {
        out += '=';
    }
    return out;
}

/// `text` without padding.
std::optional<std::string> decode(std::string_view text,
                                  const std::array<unsigned char, 256>& values) {
    if (text.size() % 4 == 1) {
        return std::nullopt;
    }
    std::string out;
    out.reserve(text.size() / 4 * 3 + 2);
    std::uint32_t window = 0;
    unsigned bits = 0;
    for (const char c : text) {
        const unsigned value = values[static_cast<unsigned char>(c)];
        if (value == 64) {
            return std::nullopt;
        }
        window = (window << 6U) | value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out += static_cast<char>((window >> bits) & 255U);
        }
    }
    if ((window & ((1U << bits) - 1U)) != 0) {
        return std::nullopt;
    }
    return out;
}

std::string guid_from(std::string bytes, unsigned version) {
    const auto set_high_bits = [&bytes](std::size_t at, unsigned keep, unsigned bits) {
        const unsigned byte = static_cast<unsigned char>(bytes[at]);
        bytes[at] = static_cast<char>((byte & keep) | bits);
    };
    set_high_bits(6, 0x0fU, version << 4U);
    set_high_bits(8, 0x3fU, 0x80U);
    std::string text = hex(std::string_view(bytes).substr(0, 16));
    for (const std::size_t at : {8U, 13U, 18U, 23U}) {
        text.insert(at, 1, '-');
    }
    return text;
}

std::string formatted(WallTime time, const char* format) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    std::array<char, 64> text{};
    // The locale is never set here, so the English names of HTTP dates come out.
    const std::size_t length = std::strftime(text.data(), text.size(), format, &parts);
    return {text.data(), length};
}

char lower_char(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

std::string base64(std::string_view bytes) { return encode(bytes, kStandard, true); }

std::string base64url(std::string_view bytes) { return encode(bytes, kUrlSafe, false); }

std::optional<std::string> decode_base64(std::string_view text) {
    if (text.size() % 4 != 0) {
        return std::nullopt;
    }
    for (int i = 0; i < 2 && !text.empty() && text.back() == '='; ++i) {
        text.remove_suffix(1);
    }
    static const auto values = values_of(kStandard);
    return decode(text, values);
}

std::optional<std::string> decode_base64url(std::string_view text) {
    static const auto values = values_of(kUrlSafe);
    return decode(text, values);
}

std::string hex(std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size() * 2);
    for (const char c : bytes) {
        const unsigned byte = static_cast<unsigned char>(c);
        out += kHexDigits[byte >> 4U];
        out += kHexDigits[byte & 15U];
    }
    return out;
}

std::string sha256(std::string_view bytes) {
    std::array<unsigned char, 32> digest{};
    unsigned length = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr) !=
        1) {
        std::abort();  // no SHA-256: nothing here makes sense any more
    }
    return {digest.begin(), digest.end()};
}

std::string fingerprint(std::string_view token) { return hex(sha256(token)).substr(0, 8); }

std::string random_bytes(std::size_t count) {
    std::basic_string<unsigned char> bytes(count, 0);
    if (RAND_bytes(bytes.data(), static_cast<int>(count)) != 1) {
        std::abort();
    }
    return {bytes.begin(), bytes.end()};
}

std::string guid() { return guid_from(random_bytes(16), 4); }

std::string guid_of(std::string_view name) { return guid_from(sha256(name), 5); }

bool is_guid(std::string_view text) {
    if (text.size() != 36) {
        return false;
    }
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        const bool good =
            dash ? text[i] == '-' : kHexDigits.find(lower_char(text[i])) != std::string_view::npos;
        if (!good) {
            return false;
        }
    }
    return true;
}

std::int64_t unix_seconds(WallTime time) {
    return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

double unix_fraction(WallTime time) {
    return std::chrono::duration<double>(time.time_since_epoch()).count();
}

std::string http_date(WallTime time) { return formatted(time, "%a, %d %b %Y %H:%M:%S GMT"); }

std::string entra_timestamp(WallTime time) { return formatted(time, "%Y-%m-%d %H:%M:%SZ"); }

bool iequals(std::string_view left, std::string_view right) {
    return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                      [](char a, char b) { return lower_char(a) == lower_char(b); });
}

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), lower_char);
    return out;
}

}  // namespace postbearer::rehearsal
