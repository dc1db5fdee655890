// SPDX-License-Identifier: Apache-2.0
#include "milter/envelope/encoded_word.hh"

#include <algorithm>
#include <cstddef>

#include "common/base64.hh"
#include "common/text.hh"

namespace postbearer::milter {
namespace {

enum class Charset { Unknown, AsciiBased, DoubleByte, Iso2022 };

struct CharsetPrefix {
    std::string_view prefix;
    Charset charset;
};
/// Not here: UTF-7 and UTF-16, whose '@' need not be a byte 0x40.
constexpr CharsetPrefix kCharsets[] = {
    {"utf-8", Charset::AsciiBased},       {"utf8", Charset::AsciiBased},
    {"us-ascii", Charset::AsciiBased},    {"iso-8859-", Charset::AsciiBased},
    {"windows-125", Charset::AsciiBased}, {"cp125", Charset::AsciiBased},
    {"koi8-", Charset::AsciiBased},       {"tis-620", Charset::AsciiBased},
    {"windows-874", Charset::AsciiBased}, {"euc-", Charset::AsciiBased},
    {"gb", Charset::DoubleByte},          {"big5", Charset::DoubleByte},
    {"shift_jis", Charset::DoubleByte},   {"windows-31j", Charset::DoubleByte},
    {"cp932", Charset::DoubleByte},       {"ks_c_5601", Charset::DoubleByte},
    {"iso-2022-", Charset::Iso2022},
};

Charset charset_of(std::string_view name) {
    const std::string lower = ascii_lower(name.substr(0, name.find('*')));  // RFC 2231: language
    for (const CharsetPrefix& known : kCharsets) {
        if (lower.starts_with(known.prefix)) {
            return known.charset;
        }
    }
    return Charset::Unknown;
}

int hex_digit(char byte) noexcept {
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    const char lower = static_cast<char>(byte | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::optional<std::string> decode_q(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '=') {
            out += text[i] == '_' ? ' ' : text[i];
            continue;
        }
        const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
        const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
        if (high < 0 || low < 0) {
            return std::nullopt;
        }
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return out;
}

std::optional<std::string> decode(std::string_view encoding, std::string_view text) {
    if (encoding == "Q" || encoding == "q") {
        return decode_q(text);
    }
    if (encoding != "B" && encoding != "b") {
        return std::nullopt;
    }
    const auto bytes = base64_decode(text);
    return bytes ? std::optional(std::string(bytes->begin(), bytes->end())) : std::nullopt;
}

std::string ascii_of(Charset charset, std::string_view bytes) {
    std::string out;
    bool shifted = false;  // ISO 2022: two bytes for a character
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const auto code = static_cast<unsigned char>(bytes[i]);
        if (charset == Charset::Iso2022 && code == 0x1B) {
            shifted = bytes.substr(i + 1).starts_with('$');
            i += 2;
        } else if (charset == Charset::Iso2022 && (code == 0x0E || code == 0x0F)) {
            shifted = code == 0x0E;
        } else if (code >= 0x80) {
            i += charset == Charset::DoubleByte ? 1 : 0;
        } else if (!shifted) {
            out += bytes[i];
        }
    }
    return out;
}

/// One word that begins at the start of `text`; takes it off.
std::optional<std::string> take_word(std::string_view& text) {
    const std::size_t charset_end = text.find('?', 2);
    const std::size_t encoding_end =
        charset_end == std::string_view::npos ? charset_end : text.find('?', charset_end + 1);
    const std::size_t end =
        encoding_end == std::string_view::npos ? encoding_end : text.find("?=", encoding_end + 1);
    if (end == std::string_view::npos) {
        return std::nullopt;
    }
    const Charset charset = charset_of(text.substr(2, charset_end - 2));
    const auto bytes = decode(text.substr(charset_end + 1, encoding_end - charset_end - 1),
                              text.substr(encoding_end + 1, end - encoding_end - 1));
    text.remove_prefix(end + 2);
    if (charset == Charset::Unknown || !bytes) {
        return std::nullopt;
    }
    return ascii_of(charset, *bytes);
}

}  // namespace

std::optional<std::string> ascii_of_encoded_words(std::string_view text) {
    std::string out;
    for (std::size_t start = text.find("=?"); start != std::string_view::npos;
         start = text.find("=?")) {
        text.remove_prefix(start);
        const std::optional<std::string> word = take_word(text);
        if (!word) {
            return std::nullopt;
        }
        out += *word;
    }
    return out;
}

}  // namespace postbearer::milter
