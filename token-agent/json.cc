// SPDX-License-Identifier: Apache-2.0
#include "token-agent/json.hh"

#include <json/json.h>
#include <string.h>

#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "common/text.hh"

namespace postbearer::agent {
namespace {

constexpr int kMaxDepth = 16;

std::optional<std::string_view> text_of(const Json::Value& value) {
    const char* begin = nullptr;
    const char* end = nullptr;
    if (!value.isString() || !value.getString(&begin, &end)) {
        return std::nullopt;
    }
    return std::string_view(begin, static_cast<std::size_t>(end - begin));
}

/// The recursion is bounded by the depth that the parser allows.
void wipe(Json::Value& value) {
    if (value.isString()) {
        const char* begin = nullptr;
        const char* end = nullptr;
        if (value.getString(&begin, &end)) {
            // JsonCpp allocated these bytes for this value; only its interface makes them const.
            explicit_bzero(const_cast<char*>(begin), static_cast<std::size_t>(end - begin));
        }
        return;
    }
    if (value.isArray() || value.isObject()) {
        for (Json::Value& member : value) {
            wipe(member);
        }
    }
}

std::optional<std::int64_t> number_of(const Json::Value& value) {
    using Limits = std::numeric_limits<std::int64_t>;
    if (value.isInt64()) {
        return value.asInt64();
    }
    if (value.isUInt64()) {
        return Limits::max();
    }
    if (!value.isDouble() || !std::isfinite(value.asDouble())) {
        return std::nullopt;
    }
    constexpr double kBound = 9.2e18;
    const double real = value.asDouble();
    return real >= kBound    ? Limits::max()
           : real <= -kBound ? Limits::min()
                             : static_cast<std::int64_t>(real);
}

std::optional<std::int64_t> number_in(std::string_view text) {
    const bool negative = !text.empty() && text.front() == '-';
    const std::string_view digits = negative ? text.substr(1) : text;
    if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) {
        return std::nullopt;
    }
    constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
    const std::uint64_t size = parse_decimal(digits).value_or(static_cast<std::uint64_t>(kMax));
    const auto value = static_cast<std::int64_t>(std::min(size, static_cast<std::uint64_t>(kMax)));
    return negative ? -value : value;
}

Json::CharReaderBuilder strict_settings() {
    Json::CharReaderBuilder builder;
    Json::CharReaderBuilder::strictMode(&builder.settings_);
    builder["stackLimit"] = kMaxDepth;
    builder["skipBom"] = true;  // .NET servers write one
    return builder;
}

}  // namespace

JsonObject::JsonObject(std::unique_ptr<Json::Value> root) : root_(std::move(root)) {}
JsonObject::JsonObject(JsonObject&&) noexcept = default;

JsonObject& JsonObject::operator=(JsonObject&& other) noexcept {
    std::swap(root_, other.root_);  // the other one's destructor wipes what was ours
    return *this;
}

JsonObject::~JsonObject() {
    if (root_ != nullptr) {
        wipe(*root_);
    }
}

Result<JsonObject> JsonObject::parse(std::string_view text) {
    const auto invalid = [] { return failure(Errc::Protocol, "not valid JSON"); };
    // The owner comes first: what a failing parse leaves in the tree is wiped too.
    JsonObject object(std::make_unique<Json::Value>());
    try {
        const std::unique_ptr<Json::CharReader> reader(strict_settings().newCharReader());
        const char* begin = text.data();
        if (text.empty() ||
            !reader->parse(begin, begin + text.size(), object.root_.get(), nullptr)) {
            return invalid();
        }
    } catch (const Json::Exception&) {
        return invalid();  // JsonCpp throws for one thing that others put in: the depth
    }
    if (!object.root_->isObject()) {
        return failure(Errc::Protocol, "not a JSON object");
    }
    return object;
}

const Json::Value* JsonObject::find(const char* key) const {
    const Json::Value* value = root_->find(key, key + std::char_traits<char>::length(key));
    return value == nullptr || value->isNull() ? nullptr : value;
}

bool JsonObject::has(const char* key) const { return find(key) != nullptr; }

std::optional<std::string_view> JsonObject::text(const char* key) const {
    const Json::Value* value = find(key);
    return value == nullptr ? std::nullopt : text_of(*value);
}

std::string_view JsonObject::text_or_empty(const char* key) const {
    return text(key).value_or(std::string_view());
}

std::optional<std::int64_t> JsonObject::number(const char* key) const {
    const Json::Value* value = find(key);
    if (value == nullptr) {
        return std::nullopt;
    }
    const auto quoted = text_of(*value);
    return quoted ? number_in(*quoted) : number_of(*value);
}

std::optional<bool> JsonObject::truth(const char* key) const {
    const Json::Value* value = find(key);
    if (value == nullptr) {
        return std::nullopt;
    }
    if (value->isBool()) {
        return value->asBool();
    }
    const auto quoted = text_of(*value);
    return quoted == "true"    ? std::optional(true)
           : quoted == "false" ? std::optional(false)
                               : std::nullopt;
}

std::vector<std::string_view> JsonObject::texts(const char* key) const {
    std::vector<std::string_view> found;
    const Json::Value* list = find(key);
    if (list == nullptr || !list->isArray()) {
        return found;
    }
    for (const Json::Value& element : *list) {
        if (const auto text = text_of(element)) {
            found.push_back(*text);
        }
    }
    return found;
}

std::vector<std::uint64_t> JsonObject::numbers(const char* key) const {
    std::vector<std::uint64_t> found;
    const Json::Value* list = find(key);
    if (list == nullptr || !list->isArray()) {
        return found;
    }
    for (const Json::Value& element : *list) {
        if (element.isUInt64()) {
            found.push_back(element.asUInt64());
        }
    }
    return found;
}

}  // namespace postbearer::agent
