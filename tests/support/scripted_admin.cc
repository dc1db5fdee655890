// SPDX-License-Identifier: Apache-2.0
#include "tests/support/scripted_admin.hh"

#include <json/reader.h>
#include <json/writer.h>

#include <memory>

#include "tests/support/failure.hh"

namespace postbearer::test {
namespace {

Json::Value parse(const std::string& text) {
    const std::unique_ptr<Json::CharReader> reader(Json::CharReaderBuilder().newCharReader());
    Json::Value json;
    std::string errors;
    if (!reader->parse(text.data(), text.data() + text.size(), &json, &errors)) {
        fail("the command sent no JSON: " + errors);
    }
    return json;
}

}  // namespace

CannedAnswer document(const Json::Value& json) {
    Json::StreamWriterBuilder builder;
    builder["indentation"] = "";
    builder["emitUTF8"] = true;
    return attributes({{"status", "ok"}, {"json", Json::writeString(builder, json)}});
}

ScriptedAdmin::ScriptedAdmin(const Path& directory, Handler handler)
    : config_(directory / "agent.toml"),
      agent_(directory / "admin.sock",
             [this, handler = std::move(handler)](const AgentAttributes& request) {
                 return handle(request, handler);
             }) {
    write_file(config_,
               "[agent]\nadmin_socket = \"" + (directory / "admin.sock").string() + "\"\n");
}

CannedAnswer ScriptedAdmin::handle(const AgentAttributes& request, const Handler& handler) {
    if (request.at("request") == "ping") {
        return attributes({{"status", "ok"}, {"version", "1"}, {"protocol", "1"}});
    }
    Call call{request.at("request"), parse(request.at("json"))};
    {
        const std::lock_guard lock(mutex_);
        calls_.push_back(call);
    }
    return handler(call);
}

std::vector<ScriptedAdmin::Call> ScriptedAdmin::calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
}

std::vector<ScriptedAdmin::Call> ScriptedAdmin::calls(const std::string& verb) const {
    std::vector<Call> wanted;
    for (Call& call : calls()) {
        if (call.verb == verb) {
            wanted.push_back(std::move(call));
        }
    }
    return wanted;
}

std::string ScriptedAdmin::verbs() const {
    std::string text;
    for (const Call& call : calls()) {
        text += (text.empty() ? "" : " ") + call.verb;
    }
    return text;
}

}  // namespace postbearer::test
