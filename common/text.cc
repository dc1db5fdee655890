// SPDX-License-Identifier: Apache-2.0
#include "common/text.hh"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <vector>

namespace postbearer {
namespace {

struct Character {
    char32_t code = 0;
    std::size_t length = 0;  // 0: malformed
};

bool is_continuation(char byte) noexcept {
    return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
}

/// RFC 3629 section 4: no overlong forms, no surrogates, nothing above U+10FFFF.
Character decode_first(std::string_view text) noexcept {
    const auto lead = static_cast<unsigned char>(text.front());
    std::size_t length = 0;
    char32_t code = 0;
    if (lead < 0x80) {
        return {lead, 1};
    }
    if ((lead & 0xE0U) == 0xC0U) {
        length = 2;
        code = lead & 0x1FU;
    } else if ((lead & 0xF0U) == 0xE0U) {
        length = 3;
        code = lead & 0x0FU;
    } else if ((lead & 0xF8U) == 0xF0U) {
        length = 4;
        code = lead & 0x07U;
    } else {
        return {};
    }
    if (text.size() < length) {
        return {};
    }
    for (std::size_t i = 1; i < length; ++i) {
        if (!is_continuation(text[i])) {
            return {};
        }
        code = (code << 6U) | (static_cast<unsigned char>(text[i]) & 0x3FU);
    }
    constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    if (code < kSmallest[length] || surrogate || code > 0x10FFFF) {
        return {};
    }
    return {code, length};
}

bool is_control(char32_t code) noexcept { return code < 0x20 || (code >= 0x7F && code <= 0x9F); }

/// Zero-width characters and those that change the direction of writing: text with them is not
/// what it looks like.
bool fools_the_eye(char32_t code) noexcept {
    return (code >= 0x200B && code <= 0x200F) || (code >= 0x202A && code <= 0x202E) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0xFEFF;
}

/// A prefix of printable ASCII, a multiple of eight bytes long. Tokens are nothing else, and there
/// are two thousand bytes of them in each answer.
std::size_t plain_ascii_prefix(std::string_view text) noexcept {
    constexpr std::uint64_t kOnes = 0x0101010101010101U;
    constexpr std::uint64_t kHigh = kOnes * 0x80U;
    std::size_t done = 0;
    for (; text.size() - done >= sizeof(std::uint64_t); done += sizeof(std::uint64_t)) {
        std::uint64_t word = 0;
        std::memcpy(&word, text.data() + done, sizeof word);
        const std::uint64_t below_blank = word - kOnes * 0x20U;
        const std::uint64_t is_delete = (word ^ (kOnes * 0x7FU)) - kOnes;
        // A borrow may mark a good word too; the slow way below decides then.
        if (((word | below_blank | is_delete) & kHigh) != 0) {
            break;
        }
    }
    return done;
}

}  // namespace

bool is_plain_utf8(std::string_view text) noexcept {
    text.remove_prefix(plain_ascii_prefix(text));
    while (!text.empty()) {
        const Character next = decode_first(text);
        if (next.length == 0 || is_control(next.code)) {
            return false;
        }
        text.remove_prefix(next.length);
    }
    return true;
}

std::string printable(std::string_view text, std::size_t max_bytes) {
    std::string out;
    while (!text.empty()) {
        const Character next = decode_first(text);
        const bool good = next.length != 0 && !is_control(next.code) && !fools_the_eye(next.code);
        const std::string_view piece = good ? text.substr(0, next.length) : "?";
        if (out.size() + piece.size() > max_bytes) {
            break;
        }
        out += piece;
        text.remove_prefix(std::max<std::size_t>(next.length, 1));
    }
    return out;
}

std::string ascii_lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') {
            c = static_cast<char>(c - 'A' + 'a');
        }
    }
    return out;
}

std::string_view trimmed(std::string_view text) noexcept {
    constexpr std::string_view kBlank = " \t\r\n";
    const std::size_t first = text.find_first_not_of(kBlank);
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::optional<std::uint64_t> parse_decimal(std::string_view text) noexcept {
    std::uint64_t value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (text.empty() || error != std::errc{} || stop != end) {
        return std::nullopt;
    }
    return value;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) {
        row[j] = j;
    }
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
        }
    }
    return row[b.size()];
}

}  // namespace postbearer
