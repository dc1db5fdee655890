// SPDX-License-Identifier: Apache-2.0
#include "milter/lmtp/reply_text.hh"

#include <algorithm>
#include <string_view>

#include "common/text.hh"

namespace postbearer::milter {
namespace {

constexpr int kTemporary = 451;
constexpr std::size_t kMaxEnhancedPart = 3;

bool is_number(std::string_view text) {
    return !text.empty() && text.size() <= kMaxEnhancedPart &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool fits(std::string_view enhanced, char reply_class) {
    const std::size_t first = enhanced.find('.');
    const std::size_t last = enhanced.rfind('.');
    return first == 1 && last > first && enhanced[0] == reply_class &&
           is_number(enhanced.substr(first + 1, last - first - 1)) &&
           is_number(enhanced.substr(last + 1));
}

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

bool is_ascii(char byte) { return static_cast<unsigned char>(byte) < 0x80U; }

std::string only_ascii(std::string_view text) {
    std::string out;
    for (const char byte : text) {
        if (is_ascii(byte)) {
            out += byte;
        } else if (!is_continuation(byte)) {
            out += '?';
        }
    }
    return out;
}

/// The bytes of `text` that go on one line: to a blank if one is near, never into a character.
std::size_t line_length(std::string_view text, std::size_t most) {
    if (text.size() <= most) {
        return text.size();
    }
    const std::size_t blank = text.rfind(' ', most);
    if (blank != std::string_view::npos && blank > most / 2) {
        return blank;
    }
    std::size_t length = most;
    while (length > 0 && is_continuation(text[length])) {
        --length;
    }
    return length;
}

}  // namespace

void append_reply(std::string& out, const LmtpReply& reply, bool utf8) {
    const int code = reply.code >= 200 && reply.code <= 599 ? reply.code : kTemporary;
    const std::string digits = std::to_string(code);
    std::string enhanced = reply.enhanced;
    if (!enhanced.empty() && !fits(enhanced, digits.front())) {
        enhanced = digits.substr(0, 1) + ".0.0";
    }
    if (!enhanced.empty()) {
        enhanced += ' ';
    }
    const std::string text = printable(reply.text, kMaxReplyTextBytes);
    const std::string sendable = utf8 ? text : only_ascii(text);
    const std::size_t most = kMaxReplyLineBytes - 2 - digits.size() - 1 - enhanced.size();
    std::string_view rest = sendable;
    do {
        const std::size_t length = line_length(rest, most);
        const std::string_view line = rest.substr(0, length);
        rest.remove_prefix(length);
        if (rest.starts_with(' ')) {
            rest.remove_prefix(1);
        }
        out.append(digits).append(rest.empty() ? " " : "-").append(enhanced).append(line);
        out.append("\r\n");
    } while (!rest.empty());
}

}  // namespace postbearer::milter
