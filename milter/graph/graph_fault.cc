// SPDX-License-Identifier: Apache-2.0
#include "milter/graph/graph_fault.hh"

#include <json/json.h>

#include <memory>

#include "common/text.hh"

namespace postbearer::milter {
namespace {

constexpr int kMaxDepth = 16;
constexpr std::size_t kMaxCodes = 5;

Json::CharReaderBuilder reader_settings() {
    Json::CharReaderBuilder builder;
    Json::CharReaderBuilder::strictMode(&builder.settings_);
    builder["stackLimit"] = kMaxDepth;
    builder["rejectDupKeys"] = false;
    builder["failIfExtra"] = false;
    builder["skipBom"] = true;
    return builder;
}

Json::Value parse(std::string_view body) {
    Json::Value root;
    try {
        const std::unique_ptr<Json::CharReader> reader(reader_settings().newCharReader());
        const char* begin = body.data();
        if (body.empty() || body.size() > kMaxFaultBytes ||
            !reader->parse(begin, begin + body.size(), &root, nullptr)) {
            return {};
        }
    } catch (const Json::Exception&) {
        return {};  // JsonCpp throws for one thing that others put in: the depth
    }
    return root;
}

/// The member of an object under one of the spellings that Graph's documents use.
const Json::Value& member(const Json::Value& object, std::initializer_list<const char*> names) {
    if (object.isObject()) {
        for (const char* name : names) {
            if (object.isMember(name)) {
                return object[name];
            }
        }
    }
    return Json::Value::nullSingleton();
}

std::string text_of(const Json::Value& value) {
    return value.isString() ? value.asString() : std::string();
}

ThrottleLimit limit_in(std::string_view message) {
    struct Name {
        std::string_view word;
        ThrottleLimit limit;
    };
    constexpr Name kNames[] = {{"mailboxconcurrency", ThrottleLimit::MailboxConcurrency},
                               {"requestrate", ThrottleLimit::RequestRate},
                               {"incomingbytes", ThrottleLimit::IncomingBytes}};
    for (const Name& name : kNames) {
        if (message.find(name.word) != std::string_view::npos) {
            return name.limit;
        }
    }
    return ThrottleLimit::None;
}

}  // namespace

GraphFault read_fault(int status, std::string_view body) {
    GraphFault fault;
    fault.status = status;
    const Json::Value root = parse(body);
    const Json::Value* level = &member(root, {"error"});
    const std::string message = ascii_lower(text_of(member(*level, {"message"})));
    fault.limit = limit_in(message);
    fault.names_request_length = message.find("maximum request length") != std::string::npos;
    while (level->isObject() && fault.codes.size() < kMaxCodes) {
        std::string code = printable(text_of(member(*level, {"code"})), kMaxCodeBytes);
        if (!code.empty()) {
            fault.codes.push_back(std::move(code));
        }
        if (std::string id = text_of(member(*level, {"request-id"})); !id.empty()) {
            fault.request_id = printable(id, kMaxCodeBytes);
        }
        level = &member(*level, {"innerError", "innererror"});
    }
    return fault;
}

}  // namespace postbearer::milter
