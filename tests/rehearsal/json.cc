// SPDX-License-Identifier: Apache-2.0
#include "json.hh"

#include <json/reader.h>
#include <json/writer.h>

#include <algorithm>
#include <exception>
#include <memory>

namespace postbearer::rehearsal {

std::optional<Json::Value> parse_json(std::string_view text) {
    Json::CharReaderBuilder builder;
    Json::CharReaderBuilder::strictMode(&builder.settings_);
    builder["strictRoot"] = false;
    const std::unique_ptr<Json::CharReader> reader(builder.newCharReader());
    Json::Value value;
    std::string errors;
    try {
        if (!reader->parse(text.data(), text.data() + text.size(), &value, &errors)) {
            return std::nullopt;
        }
    } catch (const std::exception&) {  // jsoncpp reports nesting that is too deep this way
        return std::nullopt;
    }
    return value;
}

std::string to_text(const Json::Value& value) {
    Json::StreamWriterBuilder builder;
    builder["indentation"] = "";
    builder["emitUTF8"] = true;
    return Json::writeString(builder, value);
}

ObjectReader::ObjectReader(const Json::Value& object) : object_(object) {
    if (!object.isObject()) {
        problem_ = "a JSON object is expected";
    }
}

const Json::Value* ObjectReader::find(const char* name) {
    asked_.emplace_back(name);
    if (!object_.isObject() || !object_.isMember(name) || object_[name].isNull()) {
        return nullptr;
    }
    return &object_[name];
}

void ObjectReader::complain(const char* name, const char* expected) {
    if (problem_.empty()) {
        problem_ = std::string("'") + name + "' must be " + expected;
    }
}

std::optional<std::string> ObjectReader::optional_text(const char* name) {
    const Json::Value* value = find(name);
    if (value == nullptr) {
        return std::nullopt;
    }
    if (!value->isString()) {
        complain(name, "a string");
        return std::nullopt;
    }
    return value->asString();
}

std::string ObjectReader::text(const char* name, std::string fallback) {
    return optional_text(name).value_or(std::move(fallback));
}

std::optional<std::int64_t> ObjectReader::optional_integer(const char* name) {
    const Json::Value* value = find(name);
    if (value == nullptr) {
        return std::nullopt;
    }
    if (!value->isInt64()) {
        complain(name, "an integer");
        return std::nullopt;
    }
    return value->asInt64();
}

std::int64_t ObjectReader::integer(const char* name, std::int64_t fallback) {
    return optional_integer(name).value_or(fallback);
}

bool ObjectReader::boolean(const char* name, bool fallback) {
    const Json::Value* value = find(name);
    if (value == nullptr) {
        return fallback;
    }
    if (!value->isBool()) {
        complain(name, "true or false");
        return fallback;
    }
    return value->asBool();
}

std::vector<std::string> ObjectReader::texts(const char* name, std::vector<std::string> fallback) {
    const Json::Value* value = find(name);
    if (value == nullptr) {
        return fallback;
    }
    if (value->isString()) {
        return {value->asString()};
    }
    std::vector<std::string> list;
    const bool good = value->isArray() && std::all_of(value->begin(), value->end(),
                                                      [](const auto& v) { return v.isString(); });
    if (!good) {
        complain(name, "a list of strings");
        return fallback;
    }
    for (const Json::Value& item : *value) {
        list.push_back(item.asString());
    }
    return list;
}

Json::Value ObjectReader::object(const char* name) {
    const Json::Value* value = find(name);
    if (value == nullptr) {
        return Json::Value(Json::objectValue);
    }
    if (!value->isObject()) {
        complain(name, "an object");
        return Json::Value(Json::objectValue);
    }
    return *value;
}

const Json::Value& ObjectReader::any(const char* name) {
    const Json::Value* value = find(name);
    return value != nullptr ? *value : Json::Value::nullSingleton();
}

std::string ObjectReader::problem() const {
    if (!problem_.empty() || !object_.isObject()) {
        return problem_;
    }
    for (const std::string& name : object_.getMemberNames()) {
        if (std::find(asked_.begin(), asked_.end(), name) == asked_.end()) {
            return "unknown member '" + name + "'";
        }
    }
    return {};
}

Json::Value to_json(const std::vector<std::string>& texts) {
    Json::Value list(Json::arrayValue);
    for (const std::string& text : texts) {
        list.append(text);
    }
    return list;
}

}  // namespace postbearer::rehearsal
