// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace postbearer::test {

/// A text that this process must not hold in clear, masked so that the search does not find the
/// needle itself.
class MaskedText {
public:
    static constexpr unsigned char kMask = 0x5A;
    /// `masked` holds every byte of the text XOR kMask.
    explicit MaskedText(std::vector<unsigned char> masked) : masked_(std::move(masked)) {}
    [[nodiscard]] bool equals(const char* bytes) const noexcept;
    /// Where the text could begin in [begin, end); null: nowhere.
    [[nodiscard]] const char* first_candidate(const char* begin, const char* end) const noexcept;
    [[nodiscard]] std::size_t size() const noexcept { return masked_.size(); }
    [[nodiscard]] MaskedText part(std::size_t begin, std::size_t length) const;

private:
    std::vector<unsigned char> masked_;
};

/// How often the text stands in the writable memory of this process: heap, stacks, data.
[[nodiscard]] std::size_t count_in_memory(const MaskedText& needle);

/// Byte `i` of a token that exists as this rule only, so that no piece of it is in our data.
/// Mixed well (splitmix64), for pieces that repeat would be counted twice.
[[nodiscard]] constexpr char token_byte(std::size_t i) noexcept {
    constexpr char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::uint64_t mixed = (i + 1) * 0x9E3779B97F4A7C15U;
    mixed = (mixed ^ (mixed >> 30U)) * 0xBF58476D1CE4E5B9U;
    mixed = (mixed ^ (mixed >> 27U)) * 0x94D049BB133111EBU;
    return kLetters[(mixed >> 40U) % 64U];
}

}  // namespace postbearer::test
