// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/admin_arguments.hh"

#include <utility>

namespace postbearer::cli {

void AdminArguments::begin_member(std::string_view name) {
    if (bytes_.size() > 1) {
        bytes_.push_back(',');
    }
    append_string(name);
    bytes_.push_back(':');
}

void AdminArguments::append_string(std::string_view text) {
    constexpr char kHex[] = "0123456789abcdef";
    bytes_.push_back('"');
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7F) {  // the framing takes no control character either
            append(bytes_, "\\u00");
            bytes_.push_back(kHex[byte >> 4U]);
            bytes_.push_back(kHex[byte & 0xFU]);
            continue;
        }
        if (c == '"' || c == '\\') {
            bytes_.push_back('\\');
        }
        bytes_.push_back(c);
    }
    bytes_.push_back('"');
}

AdminArguments& AdminArguments::add(std::string_view name, std::string_view value) {
    begin_member(name);
    append_string(value);
    return *this;
}

AdminArguments& AdminArguments::add_flag(std::string_view name, bool value) {
    begin_member(name);
    append(bytes_, value ? "true" : "false");
    return *this;
}

AdminArguments& AdminArguments::add_document(std::string_view name, std::string_view json) {
    begin_member(name);
    append(bytes_, json);
    return *this;
}

Secret AdminArguments::finish() && {
    bytes_.push_back('}');
    return Secret(std::move(bytes_));
}

}  // namespace postbearer::cli
