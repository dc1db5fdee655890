// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postbearer {

/// Well-formed UTF-8 (RFC 3629) without control characters: C0, DEL and C1.
[[nodiscard]] bool is_plain_utf8(std::string_view text) noexcept;

/// `text` as one printable line of at most `max_bytes`: control characters, malformed bytes and
/// what nobody sees (zero width, and marks that turn the direction of writing around) become '?', a
/// cut falls between characters. For words of others that go into a log or answer.
[[nodiscard]] std::string printable(std::string_view text, std::size_t max_bytes);

/// ASCII only, as mail domains in A-label form and our account matching want it.
[[nodiscard]] std::string ascii_lower(std::string_view text);

[[nodiscard]] std::string_view trimmed(std::string_view text) noexcept;

/// The whole of `text` as a decimal number without sign or blanks.
[[nodiscard]] std::optional<std::uint64_t> parse_decimal(std::string_view text) noexcept;

/// The best match for a misspelt word, for "did you mean": edit distance at most a third of it.
template <typename Range>
[[nodiscard]] std::string_view closest_word(std::string_view word, const Range& candidates);

/// Levenshtein distance in bytes.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

template <typename Range>
std::string_view closest_word(std::string_view word, const Range& candidates) {
    std::string_view best;
    std::size_t best_distance = word.size() / 3 + 2;
    for (const std::string_view candidate : candidates) {
        const std::size_t distance = edit_distance(word, candidate);
        if (distance < best_distance) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

}  // namespace postbearer
