// SPDX-License-Identifier: Apache-2.0
#include "milter/envelope/mailbox_name.hh"

#include <algorithm>

namespace postbearer::milter {
namespace {

constexpr std::size_t kMaxNameBytes = 320;  // RFC 5321 4.5.3.1: 64 + 1 + 255
constexpr std::size_t kMaxLocalBytes = 64;

bool is_alphanumeric(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_guid(std::string_view text) noexcept {
    constexpr std::string_view kShape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    return text.size() == kShape.size() &&
           std::equal(text.begin(), text.end(), kShape.begin(), [](char c, char shape) {
               return shape == '-' ? c == '-'
                                   : (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
                                         (c >= 'A' && c <= 'F');
           });
}

bool is_domain(std::string_view text) noexcept {
    const auto allowed = [](char c) {
        return is_alphanumeric(c) || c == '-' || c == '.' || c == '_';
    };
    return !text.empty() && text.front() != '.' && text.back() != '.' &&
           text.find("..") == std::string_view::npos &&
           std::all_of(text.begin(), text.end(), allowed);
}

bool is_local_part(std::string_view text) noexcept {
    // Exchange knows no quoted local parts; blanks, brackets and lists are somebody's mistake.
    return !text.empty() && text.size() <= kMaxLocalBytes &&
           text.find_first_of(" \"(),:;<>@[]\\") == std::string_view::npos;
}

}  // namespace

bool is_mailbox_name(std::string_view mailbox) noexcept {
    const auto is_plain = [](char c) { return c > ' ' && c < 0x7f; };
    if (mailbox.size() > kMaxNameBytes || !std::all_of(mailbox.begin(), mailbox.end(), is_plain)) {
        return false;
    }
    const std::size_t at = mailbox.rfind('@');
    if (at == std::string_view::npos) {
        return is_guid(mailbox);
    }
    return is_local_part(mailbox.substr(0, at)) && is_domain(mailbox.substr(at + 1));
}

std::string percent_encoded(std::string_view text) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    std::string out;
    out.reserve(text.size() + 8);
    for (const char c : text) {
        if (is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~') {
            out.push_back(c);
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out.push_back('%');
        out.push_back(kHex[byte >> 4U]);
        out.push_back(kHex[byte & 0x0FU]);
    }
    return out;
}

}  // namespace postbearer::milter
