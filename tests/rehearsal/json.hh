// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// jsoncpp behind functions that neither throw nor guess types.
namespace postbearer::rehearsal {

/// Strict RFC 8259; duplicate keys are refused.
[[nodiscard]] std::optional<Json::Value> parse_json(std::string_view text);
/// One line, UTF-8 kept.
[[nodiscard]] std::string to_text(const Json::Value& value);

/// Reads members of one JSON object and remembers what was wrong, so that a caller asks for all
/// of them and looks at `problem()` once. An absent or null member yields the default.
class ObjectReader {
public:
    explicit ObjectReader(const Json::Value& object);

    [[nodiscard]] std::string text(const char* name, std::string fallback);
    [[nodiscard]] std::optional<std::string> optional_text(const char* name);
    [[nodiscard]] std::int64_t integer(const char* name, std::int64_t fallback);
    [[nodiscard]] std::optional<std::int64_t> optional_integer(const char* name);
    [[nodiscard]] bool boolean(const char* name, bool fallback);
    /// A list of strings; one string stands for a list of one.
    [[nodiscard]] std::vector<std::string> texts(const char* name,
                                                 std::vector<std::string> fallback);
    [[nodiscard]] Json::Value object(const char* name);
    [[nodiscard]] const Json::Value& any(const char* name);

    /// Empty when all was well; names wrong types and members nobody asked for.
    [[nodiscard]] std::string problem() const;

private:
    const Json::Value* find(const char* name);
    void complain(const char* name, const char* expected);

    const Json::Value& object_;
    std::vector<std::string> asked_;
    std::string problem_;
};

[[nodiscard]] Json::Value to_json(const std::vector<std::string>& texts);

}  // namespace postbearer::rehearsal
