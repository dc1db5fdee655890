// SPDX-License-Identifier: Apache-2.0
#include "token-agent/foreign_text.hh"

#include <algorithm>

#include "common/text.hh"

namespace postbearer::agent {
namespace {

/// Shorter runs are words; Entra's secrets have 40 characters, Google's 24, tokens far more.
constexpr std::size_t kShortestSecret = 16;
/// A shorter secret would be found in ordinary words.
constexpr std::size_t kShortestRedacted = 4;
constexpr std::size_t kMaxIdentifierBytes = 64;

bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_secret_character(char c) {
    return is_letter(c) || is_digit(c) || std::string_view("-._~+/=%").find(c) != std::string::npos;
}

/// Words joined by dots or slashes hold no digits, numbers no letters; secrets mix them.
bool looks_secret(std::string_view run) {
    return run.size() >= kShortestSecret && std::any_of(run.begin(), run.end(), is_digit) &&
           std::any_of(run.begin(), run.end(), is_letter);
}

bool holds_any(std::string_view text, const std::vector<std::string_view>& redacted) {
    return std::any_of(redacted.begin(), redacted.end(), [text](std::string_view secret) {
        return secret.size() >= kShortestRedacted && text.find(secret) != std::string_view::npos;
    });
}

}  // namespace

std::string quotable(std::string_view text, std::size_t max_bytes,
                     const std::vector<std::string_view>& redacted) {
    if (holds_any(text, redacted)) {
        return {};
    }
    std::string out;
    while (!text.empty() && out.size() < max_bytes) {
        const auto* const end = std::find_if_not(text.begin(), text.end(), is_secret_character);
        const auto length = static_cast<std::size_t>(end - text.begin());
        const std::string_view run = text.substr(0, length);
        out += looks_secret(run) ? std::string_view("[...]") : run;
        text.remove_prefix(length);
        if (!text.empty()) {
            out += text.front();
            text.remove_prefix(1);
        }
    }
    return printable(trimmed(out), max_bytes);
}

std::string identifier(std::string_view text, const std::vector<std::string_view>& redacted) {
    const bool good =
        text.size() <= kMaxIdentifierBytes && std::all_of(text.begin(), text.end(), [](char c) {
            return is_letter(c) || is_digit(c) || c == '_' || c == '-' || c == '.';
        });
    return good && !holds_any(text, redacted) ? std::string(text) : std::string();
}

}  // namespace postbearer::agent
