// SPDX-License-Identifier: Apache-2.0
#include "milter/envelope/header_block.hh"

#include <algorithm>
#include <cstddef>

#include "common/text.hh"

namespace postbearer::milter {
namespace {

/// What isspace(3) of somebody else might strip before it looks for the empty line.
constexpr std::string_view kBlanks = " \t\v\f";

bool is_continuation(std::string_view line) noexcept {
    return line.starts_with(' ') || line.starts_with('\t');
}

/// One line without its end, which is taken off as well. LF alone ends a line too.
std::string_view take_line(std::string_view& rest) {
    const std::size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (line.ends_with('\r')) {
        line.remove_suffix(1);
    }
    return line;
}

/// RFC 5322 2.2: printable ASCII. Empty: the line begins no field.
std::string_view field_name(std::string_view line) noexcept {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) {
        return {};
    }
    std::string_view name = line.substr(0, colon);
    while (is_continuation(name.substr(name.empty() ? 0 : name.size() - 1))) {
        name.remove_suffix(1);  // obsolete: blanks before the colon
    }
    const bool good = std::all_of(name.begin(), name.end(),
                                  [](char byte) { return byte > ' ' && byte < '\x7F'; });
    return good ? name : std::string_view{};
}

}  // namespace

bool HeaderField::is(std::string_view other) const {
    return name.size() == other.size() && ascii_lower(name) == ascii_lower(other);
}

bool has_stray_line_ends(std::string_view section) {
    char previous = 0;
    for (const char byte : section) {
        if (byte == '\0' || (byte == '\n') != (previous == '\r')) {
            return true;
        }
        previous = byte;
    }
    return previous == '\r';
}

std::string tidy_section(std::string_view section) {
    std::string out;
    out.reserve(section.size());
    bool in_field = false;
    while (!section.empty()) {
        const std::string_view line = take_line(section);
        if (line.empty()) {
            break;
        }
        if (is_continuation(line)) {
            if (in_field && line.find_first_not_of(kBlanks) != std::string_view::npos) {
                out.append(line).append("\r\n");
            }
            continue;
        }
        const std::string_view name = field_name(line);
        in_field = !name.empty();
        if (in_field) {
            out.append(name).append(line.substr(line.find(':'))).append("\r\n");
        }
    }
    return out;
}

std::vector<HeaderField> split_fields(std::string_view tidy) {
    std::vector<HeaderField> fields;
    while (!tidy.empty()) {
        std::size_t end = tidy.find("\r\n") + 2;
        while (is_continuation(tidy.substr(end))) {
            end = tidy.find("\r\n", end) + 2;
        }
        const std::size_t colon = tidy.find(':');
        fields.push_back(
            {tidy.substr(0, end), tidy.substr(0, colon), tidy.substr(colon + 1, end - colon - 3)});
        tidy.remove_prefix(end);
    }
    return fields;
}

std::string unfolded(std::string_view value) {
    std::string out(trimmed(value));
    std::erase_if(out, [](char byte) { return byte == '\r' || byte == '\n'; });
    return out;
}

}  // namespace postbearer::milter
