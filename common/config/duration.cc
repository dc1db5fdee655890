// SPDX-License-Identifier: Apache-2.0
#include "common/config/duration.hh"

#include <cstdint>

#include "common/text.hh"

namespace postbearer::config {
namespace {

struct Unit {
    char letter;
    std::int64_t seconds;
};
constexpr Unit kUnits[] = {{'w', 7 * 86'400}, {'d', 86'400}, {'h', 3'600}, {'m', 60}, {'s', 1}};
constexpr std::uint64_t kMaxSeconds = 100ULL * 366 * 86'400;

}  // namespace

std::optional<std::chrono::seconds> parse_duration(std::string_view text) noexcept {
    if (text.size() < 2) {
        return std::nullopt;
    }
    for (const Unit& unit : kUnits) {
        if (text.back() != unit.letter) {
            continue;
        }
        const auto count = parse_decimal(text.substr(0, text.size() - 1));
        const auto unit_seconds = static_cast<std::uint64_t>(unit.seconds);
        if (!count || *count > kMaxSeconds / unit_seconds) {
            return std::nullopt;
        }
        return std::chrono::seconds(static_cast<std::int64_t>(*count * unit_seconds));
    }
    return std::nullopt;
}

std::string duration_text(std::chrono::seconds duration) {
    const std::int64_t seconds = duration.count();
    for (const Unit& unit : kUnits) {
        // weeks are understood but not used here: people think of 14 days
        if (unit.letter != 'w' && seconds != 0 && seconds % unit.seconds == 0) {
            return std::to_string(seconds / unit.seconds) + unit.letter;
        }
    }
    return std::to_string(seconds) + 's';
}

}  // namespace postbearer::config
