// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "common/result.hh"

namespace Json {
class Value;
}

namespace postbearer::agent {

/// One JSON object of a provider's answer, read strictly: no duplicate keys, nothing behind it, at
/// most 16 levels deep. A member that is null counts as absent.
///
/// Answers hold tokens and JsonCpp keeps strings in memory of its own, so each string is
/// overwritten in place before the document dies. The parser's temporary while it unescapes a
/// string is out of our reach: it goes back to the heap as it is.
class JsonObject {
public:
    /// Error: Protocol; the text never quotes the document.
    [[nodiscard]] static Result<JsonObject> parse(std::string_view text);

    JsonObject(JsonObject&&) noexcept;
    JsonObject& operator=(JsonObject&&) noexcept;
    JsonObject(const JsonObject&) = delete;
    JsonObject& operator=(const JsonObject&) = delete;
    ~JsonObject();

    [[nodiscard]] bool has(const char* key) const;
    /// A string member, as a view into this object.
    [[nodiscard]] std::optional<std::string_view> text(const char* key) const;
    [[nodiscard]] std::string_view text_or_empty(const char* key) const;
    /// A whole number: integer, finite real (cut) or decimal string, clamped to 64 bits. Some
    /// providers quote their numbers.
    [[nodiscard]] std::optional<std::int64_t> number(const char* key) const;
    /// A boolean member; some providers quote theirs ("true").
    [[nodiscard]] std::optional<bool> truth(const char* key) const;
    /// The strings of an array member; other elements are left out.
    [[nodiscard]] std::vector<std::string_view> texts(const char* key) const;
    /// The non-negative integers of an array member.
    [[nodiscard]] std::vector<std::uint64_t> numbers(const char* key) const;

private:
    explicit JsonObject(std::unique_ptr<Json::Value> root);
    [[nodiscard]] const Json::Value* find(const char* key) const;

    std::unique_ptr<Json::Value> root_;
};

}  // namespace postbearer::agent
