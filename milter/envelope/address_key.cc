// SPDX-License-Identifier: Apache-2.0
#include <idn2.h>

#include <algorithm>

#include "common/owned.hh"
#include "common/text.hh"
#include "milter/envelope/address.hh"
#include "milter/envelope/address_parts.hh"

namespace postbearer::milter {
namespace {

constexpr std::size_t kMaxDomainBytes = 255;
constexpr std::size_t kMaxLabelBytes = 63;

using IdnText = Owned<char, idn2_free>;

bool is_ascii_byte(char byte) noexcept { return static_cast<unsigned char>(byte) < 0x80; }

bool is_alphanumeric(char byte) noexcept {
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
           (byte >= '0' && byte <= '9');
}

/// The underscore is no host name, but mail goes to such domains.
bool is_domain_byte(char byte) noexcept {
    return is_alphanumeric(byte) || byte == '-' || byte == '_' || !is_ascii_byte(byte);
}

bool is_domain_literal(std::string_view text) noexcept {
    return text.size() > 2 && text.front() == '[' && text.back() == ']' &&
           std::all_of(text.begin() + 1, text.end() - 1, [](char byte) {
               return is_alphanumeric(byte) || byte == '.' || byte == ':' || byte == '-';
           });
}

bool is_domain_name(std::string_view text) noexcept {
    if (text.size() > kMaxDomainBytes) {
        return false;
    }
    while (true) {
        const std::string_view label = text.substr(0, text.find('.'));
        if (label.empty() || label.size() > kMaxLabelBytes ||
            !std::all_of(label.begin(), label.end(), is_domain_byte)) {
            return false;
        }
        if (label.size() == text.size()) {
            return true;
        }
        text.remove_prefix(label.size() + 1);
    }
}

/// The quoted string at the start of `text`, or 0 if it has no end.
std::size_t quoted_length(std::string_view text) noexcept {
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (text[i] == '\\') {
            ++i;
        } else if (text[i] == '"') {
            return i + 1;
        }
    }
    return 0;
}

std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char byte : text) {
        if (byte == '"' || byte == '\\') {
            out += '\\';
        }
        out += byte;
    }
    return out + '"';
}

/// Empty: IDNA refuses it, or maps it to something that is no host name.
std::string to_a_labels(std::string_view domain, int flags) {
    char* text = nullptr;
    const std::string name(domain);
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(name.c_str());
    // Not IDN2_USE_STD3_ASCII_RULES: libidn2 leaves out what that forbids, so a name
    // with a full-width comma would be the one without it.
    const int status = idn2_lookup_u8(bytes, reinterpret_cast<std::uint8_t**>(&text), flags);
    const IdnText owned(text);
    if (status != IDN2_OK || !is_ascii(text) || !is_domain_name(text)) {
        return {};
    }
    return ascii_lower(text);
}

/// The same by any of the rules: Unicode has symbols in domains that IDNA 2008 alone does not.
std::string to_a_labels(std::string_view domain) {
    std::string labels = to_a_labels(domain, IDN2_NONTRANSITIONAL);
    return labels.empty() ? to_a_labels(domain, IDN2_TRANSITIONAL) : labels;
}

}  // namespace

bool is_ascii(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), is_ascii_byte);
}

bool has_at(std::string_view text) noexcept {
    return text.find('@') != std::string_view::npos ||
           text.find("\xEF\xBC\xA0") != std::string_view::npos ||
           text.find("\xEF\xB9\xAB") != std::string_view::npos;
}

bool has_ascii_forms(std::string_view text) noexcept {
    return text.find("\xEF\xBC") != std::string_view::npos ||  // U+FF00 to U+FF3F
           text.find("\xEF\xB9") != std::string_view::npos;    // U+FE40 to U+FE7F
}

bool is_atext(char byte) noexcept {
    constexpr std::string_view kMarks = "!#$%&'*+-/=?^_`{|}~";
    return is_alphanumeric(byte) || !is_ascii_byte(byte) ||
           kMarks.find(byte) != std::string_view::npos;
}

bool is_dot_atom(std::string_view text) noexcept {
    return !text.empty() && text.front() != '.' && text.back() != '.' &&
           text.find("..") == std::string_view::npos &&
           std::all_of(text.begin(), text.end(),
                       [](char byte) { return byte == '.' || is_atext(byte); });
}

std::string unquoted(std::string_view local) {
    if (local.empty() || local.front() != '"') {
        return std::string(local);
    }
    std::string out;
    for (std::size_t i = 1; i + 1 < local.size(); ++i) {
        if (local[i] == '\\') {
            ++i;
        }
        out += local[i];
    }
    return out;
}

std::optional<AddressParts> split_address(std::string_view addr_spec) {
    if (addr_spec.size() > kMaxAddressBytes || !is_plain_utf8(addr_spec)) {
        return std::nullopt;
    }
    const bool is_quoted = addr_spec.starts_with('"');
    const std::size_t at = is_quoted ? quoted_length(addr_spec) : addr_spec.find('@');
    if (at == std::string_view::npos || at >= addr_spec.size() || addr_spec[at] != '@') {
        return std::nullopt;
    }
    const AddressParts parts{addr_spec.substr(0, at), addr_spec.substr(at + 1)};
    const bool good_local = is_quoted ? at > 2 : is_dot_atom(parts.local);
    if (!good_local || !(is_domain_literal(parts.domain) || is_domain_name(parts.domain))) {
        return std::nullopt;
    }
    return parts;
}

std::string domain_key(std::string_view domain) {
    std::string labels = is_ascii(domain) ? std::string{} : to_a_labels(domain);
    return labels.empty() ? ascii_lower(domain) : labels;
}

bool is_sound_domain(std::string_view domain) {
    const bool plain = is_ascii(domain) && ascii_lower(domain).find("xn--") == std::string::npos;
    return plain || !to_a_labels(domain).empty();
}

std::string written_address(const AddressParts& parts) {
    const std::string plain = unquoted(parts.local);
    std::string out = is_dot_atom(plain) ? plain : quoted(plain);
    out += '@';
    out += is_ascii(parts.domain) ? std::string(parts.domain) : domain_key(parts.domain);
    return out;
}

bool reads_one_way(std::string_view domain) {
    if (is_ascii(domain)) {
        return is_sound_domain(domain);
    }
    const std::string labels = to_a_labels(domain, IDN2_NONTRANSITIONAL);
    if (labels.empty() || labels != to_a_labels(domain, IDN2_TRANSITIONAL)) {
        return false;
    }
    char* text = nullptr;
    const int status = idn2_to_unicode_8z8z(labels.c_str(), &text, 0);
    const IdnText owned(text);
    return status == IDN2_OK && ascii_lower(domain) == text;
}

std::optional<std::string> address_key(std::string_view addr_spec) {
    const std::optional<AddressParts> parts = split_address(addr_spec);
    if (!parts) {
        return std::nullopt;
    }
    return ascii_lower(written_address({parts->local, domain_key(parts->domain)}));
}

}  // namespace postbearer::milter
