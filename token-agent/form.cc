// SPDX-License-Identifier: Apache-2.0
#include "token-agent/form.hh"

#include <utility>

namespace postbearer::agent {
namespace {

bool is_left_alone(char c) noexcept {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
}

}  // namespace

void append_form_encoded(WipedBytes& out, std::string_view value) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    out.reserve(out.size() + value.size() * 3);
    for (const char c : value) {
        if (is_left_alone(c)) {
            out.push_back(c);
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out.push_back('%');
        out.push_back(kHex[byte >> 4U]);
        out.push_back(kHex[byte & 0x0FU]);
    }
}

FormBody& FormBody::add(std::string_view name, std::string_view value) {
    if (!bytes_.empty()) {
        bytes_.push_back('&');
    }
    append_form_encoded(bytes_, name);
    bytes_.push_back('=');
    append_form_encoded(bytes_, value);
    return *this;
}

FormBody& FormBody::add_if(std::string_view name, std::string_view value) {
    return value.empty() ? *this : add(name, value);
}

Secret FormBody::finish() && { return Secret(std::move(bytes_)); }

}  // namespace postbearer::agent
