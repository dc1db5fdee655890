// SPDX-License-Identifier: Apache-2.0
#include "common/agent_protocol.hh"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <tuple>

#include "common/text.hh"

namespace postbearer::protocol {
namespace {

bool is_name(std::string_view name) noexcept {
    const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
    return !name.empty() && name.size() <= kMaxNameBytes &&
           std::all_of(name.begin(), name.end(), allowed);
}

tl::unexpected<Error> bad_line(std::size_t number, std::string_view fault) {
    std::string text = "line " + std::to_string(number) + ": ";
    text += fault;
    return failure(Errc::Protocol, std::move(text));
}

/// The index of the first attribute whose name stood before; the size of `list` if there is none.
/// Anybody may send thousands of them, so the time must not grow with their square.
std::size_t first_repeated(const std::vector<Attribute>& list) {
    constexpr std::size_t kFew = 12;  // all real messages: no memory, no sorting
    if (list.size() <= kFew) {
        for (std::size_t i = 1; i < list.size(); ++i) {
            for (std::size_t j = 0; j < i; ++j) {
                if (list[i].name == list[j].name) {
                    return i;
                }
            }
        }
        return list.size();
    }
    std::vector<std::size_t> order(list.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&list](std::size_t a, std::size_t b) {
        return std::tie(list[a].name, a) < std::tie(list[b].name, b);
    });
    std::size_t found = list.size();
    for (std::size_t i = 1; i < order.size(); ++i) {
        if (list[order[i - 1]].name == list[order[i]].name) {
            found = std::min(found, order[i]);
        }
    }
    return found;
}

}  // namespace

Result<Attributes> Attributes::parse(std::string_view block) {
    Attributes result;
    result.list_.reserve(8);
    for (std::size_t number = 1;; ++number) {
        const std::size_t end = block.find('\n');
        if (end == std::string_view::npos) {
            return bad_line(number, "the message does not end with an empty line");
        }
        const std::string_view line = block.substr(0, end);
        block.remove_prefix(end + 1);
        if (line.empty()) {
            break;
        }
        const std::size_t equals = line.find('=');
        if (equals == std::string_view::npos) {
            return bad_line(number, "no '=' in it");
        }
        const Attribute attribute{line.substr(0, equals), line.substr(equals + 1)};
        if (!is_name(attribute.name)) {
            return bad_line(number, "an attribute name is 1 to 32 of a-z and _");
        }
        if (!is_plain_utf8(attribute.value)) {
            return bad_line(number, "the value is not UTF-8 without control characters");
        }
        result.list_.push_back(attribute);
    }
    if (!block.empty()) {
        return failure(Errc::Protocol, "there is more after the empty line");
    }
    const std::size_t repeated = first_repeated(result.list_);
    if (repeated < result.list_.size()) {
        return bad_line(repeated + 1, "attribute given twice");
    }
    return result;
}

std::optional<std::string_view> Attributes::find(std::string_view name) const noexcept {
    for (const Attribute& attribute : list_) {
        if (attribute.name == name) {
            return attribute.value;
        }
    }
    return std::nullopt;
}

std::string_view Attributes::value_or(std::string_view name,
                                      std::string_view fallback) const noexcept {
    return find(name).value_or(fallback);
}

std::optional<std::size_t> message_length(std::string_view buffer, std::size_t scan_from) noexcept {
    if (buffer.starts_with('\n')) {
        return 1;
    }
    // The pair may begin with the last byte of the part already scanned.
    const std::size_t end = buffer.find("\n\n", scan_from == 0 ? 0 : scan_from - 1);
    if (end == std::string_view::npos) {
        return std::nullopt;
    }
    return end + 2;
}

MessageWriter::MessageWriter(std::size_t expected_bytes) { bytes_.reserve(expected_bytes); }

MessageWriter& MessageWriter::add(std::string_view name, std::string_view value) {
    append(bytes_, name);
    bytes_.push_back('=');
    if (is_plain_utf8(value)) {
        append(bytes_, value);
    } else {
        append(bytes_, printable(value, value.size()));
    }
    bytes_.push_back('\n');
    return *this;
}

MessageWriter& MessageWriter::add(std::string_view name, std::int64_t value) {
    char digits[24];
    const auto [end, error] = std::to_chars(std::begin(digits), std::end(digits), value);
    (void)error;  // 24 bytes hold every 64-bit number
    return add(name, std::string_view(digits, static_cast<std::size_t>(end - digits)));
}

Secret MessageWriter::finish() && {
    bytes_.push_back('\n');
    return Secret(std::move(bytes_));
}

}  // namespace postbearer::protocol
