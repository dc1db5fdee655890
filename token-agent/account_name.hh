// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "common/text.hh"

namespace postbearer::agent {

/// An account name in ASCII lower case, without allocation for lengths that mail addresses have.
class LoweredName {
public:
    explicit LoweredName(std::string_view name) {
        if (name.size() > buffer_.size()) {
            overlong_ = ascii_lower(name);
            view_ = overlong_;
            return;
        }
        std::transform(name.begin(), name.end(), buffer_.begin(), [](char c) {
            return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        });
        view_ = {buffer_.data(), name.size()};
    }
    LoweredName(const LoweredName&) = delete;  // view_ points into this object
    LoweredName& operator=(const LoweredName&) = delete;
    LoweredName(LoweredName&&) = delete;
    LoweredName& operator=(LoweredName&&) = delete;
    ~LoweredName() = default;

    [[nodiscard]] std::string_view view() const noexcept { return view_; }

private:
    std::array<char, 320> buffer_;  // RFC 5321: 64 + "@" + 255; only the copied part is read
    std::string overlong_;
    std::string_view view_;
};

/// `@domain` of an address; empty where there is none.
[[nodiscard]] inline std::string_view domain_pattern(std::string_view account) noexcept {
    const std::size_t at = account.rfind('@');
    return at == std::string_view::npos ? std::string_view() : account.substr(at);
}

/// False for what only a rule may say: nothing, `*`, `@domain`.
[[nodiscard]] inline bool is_account_name(std::string_view name) noexcept {
    return !name.empty() && name != "*" && name.front() != '@';
}

}  // namespace postbearer::agent
