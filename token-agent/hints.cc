// SPDX-License-Identifier: Apache-2.0
#include "token-agent/hints.hh"

#include <algorithm>
#include <array>
#include <cstddef>

#include "common/text.hh"

namespace postbearer::agent {
namespace {

constexpr std::string_view kTable =
#include "aadsts_tsv.inc"
    ;

constexpr std::size_t kColumns = 5;

std::string_view cut(std::string_view& rest, char separator) {
    const std::size_t end = std::min(rest.find(separator), rest.size());
    const std::string_view first = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return first;
}

bool is_row(std::string_view line) { return !line.empty() && line.front() != '#'; }

std::optional<Hint> parse_row(std::string_view line) {
    if (std::count(line.begin(), line.end(), '\t') != kColumns - 1) {
        return std::nullopt;
    }
    std::array<std::string_view, kColumns> column;
    for (std::string_view& field : column) {
        field = cut(line, '\t');
    }
    Hint hint;
    hint.propagation = column[1] == "propagation";
    const auto number = parse_decimal(column[0]);
    const auto failure_class =
        protocol::failure_class_from(hint.propagation ? "needs_admin" : column[1]);
    const auto code = protocol::failure_code_from(column[2]);
    if (!number || !failure_class || !code || column[3].empty() || column[4].empty()) {
        return std::nullopt;
    }
    hint.number = *number;
    hint.failure_class = *failure_class;
    hint.code = *code;
    hint.means = column[3];
    hint.fix = column[4];
    return hint;
}

}  // namespace

std::optional<Hint> find_hint(std::uint64_t number) {
    for (std::string_view rest = kTable; !rest.empty();) {
        const std::string_view line = cut(rest, '\n');
        std::string_view fields = line;
        if (!is_row(line) || parse_decimal(cut(fields, '\t')) != number) {
            continue;
        }
        return parse_row(line);
    }
    return std::nullopt;
}

std::vector<Hint> all_hints() {
    std::vector<Hint> hints;
    for (std::string_view rest = kTable; !rest.empty();) {
        const std::string_view line = cut(rest, '\n');
        if (const auto hint = is_row(line) ? parse_row(line) : std::nullopt) {
            hints.push_back(*hint);
        }
    }
    return hints;
}

std::size_t hint_line_count() {
    std::size_t count = 0;
    for (std::string_view rest = kTable; !rest.empty();) {
        count += is_row(cut(rest, '\n')) ? 1 : 0;
    }
    return count;
}

}  // namespace postbearer::agent
