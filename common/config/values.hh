// SPDX-License-Identifier: Apache-2.0
#pragma once

// Values with a form of their own: each function records what is wrong and yields nothing then.

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/config/host.hh"
#include "common/config/reader.hh"
#include "common/text.hh"

namespace postbearer::config {

/// Not empty, one line.
[[nodiscard]] std::optional<std::string> line_value(const Value& value);

/// Begins with '/'.
[[nodiscard]] std::optional<std::string> path_value(const Value& value);

/// An absolute path to a file that can be opened now.
[[nodiscard]] std::optional<std::string> readable_path(const Value& value, const ConfigHost& host);

/// Address, `@domain` or `*`, in ASCII lower case, domains as A-labels.
[[nodiscard]] std::optional<std::string> account_pattern(const Value& value);

enum class PlainHttp : std::uint8_t { Never, Loopback };
/// An absolute https URL without user, password and fragment; http only to this host.
[[nodiscard]] std::optional<std::string> endpoint_value(const Value& value, PlainHttp plain_http);

/// scheme://host[:port] as libcurl takes it, without user and password.
[[nodiscard]] std::optional<std::string> proxy_value(const Value& value);

/// path_value() that fits into a sockaddr_un.
[[nodiscard]] std::optional<std::string> socket_path_value(const Value& value);

/// "0660".
[[nodiscard]] std::optional<mode_t> mode_value(const Value& value);

/// A group of this host; empty if there is none of that name.
[[nodiscard]] std::string known_group(const Value& value, const ConfigHost& host);

/// One word of a closed vocabulary.
template <typename T, std::size_t N>
[[nodiscard]] std::optional<T> choice_value(const Value& value,
                                            const std::pair<std::string_view, T> (&words)[N]) {
    const auto text = value.as_string();
    if (!text) {
        return std::nullopt;
    }
    std::string_view names[N];
    std::string all;
    for (std::size_t i = 0; i < N; ++i) {
        if (words[i].first == *text) {
            return words[i].second;
        }
        names[i] = words[i].first;
        all += (i == 0 ? "" : i + 1 == N ? " or " : ", ") + std::string(names[i]);
    }
    value.error("unknown word \"" + printable(*text, 60) + "\", expected " + all +
                suggestion(*text, names));
    return std::nullopt;
}

}  // namespace postbearer::config
