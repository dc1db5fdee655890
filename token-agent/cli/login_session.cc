// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/login_session.hh"

#include <algorithm>
#include <utility>

#include "common/text.hh"
#include "token-agent/admin_json.hh"
#include "token-agent/cli/admin_arguments.hh"
#include "token-agent/socket_paths.hh"

namespace postbearer::cli {
namespace {

using namespace std::chrono_literals;

/// The agent asks the provider, at most 30 s for each of two requests.
constexpr auto kPatience = 70s;
constexpr auto kWaitPatience = 40s;  // the agent answers after 20 s
constexpr auto kCancelPatience = 3s;
constexpr std::int64_t kLongestStep = 3600;

}  // namespace

LoginSession::LoginSession(const Options& options, const Console& console)
    : options_(options),
      console_(console),
      talk_(agent::load_socket_paths(options.config).admin, console) {}

Result<Json::Value> LoginSession::plan() {
    return talk_.call(
        "login_plan",
        std::move(AdminArguments().add("account", options_.arguments.front())).finish(), kPatience);
}

Result<void> LoginSession::start(Flow flow, const std::string& redirect_uri) {
    AdminArguments arguments;
    arguments.add("account", options_.arguments.front());
    arguments.add("flow", flow == Flow::Device ? "device" : "code");
    if (flow != Flow::Device) {
        arguments.add("redirect_uri", redirect_uri);
    }
    if (!options_.resources.empty()) {
        Json::Value resources(Json::arrayValue);
        for (const std::string& resource : options_.resources) {
            resources.append(resource);
        }
        arguments.add_document("resources", agent::compact(resources));
    }
    arguments.add_flag("accept_user", options_.accept_user);
    return take(talk_.call("login_start", std::move(arguments).finish(), kPatience));
}

Secret LoginSession::session_arguments() const {
    return std::move(AdminArguments().add("session", text("session"))).finish();
}

Result<void> LoginSession::wait(const AdminTalk::Tick& tick) {
    const bool was_busy = busy();
    Result<void> taken = take(talk_.call("login_wait", session_arguments(), kWaitPatience, tick));
    return !taken && was_busy && is_late(taken.error()) ? Result<void>() : taken;
}

Result<void> LoginSession::answer(const Secret& url) {
    // What is no text cannot travel, and is no address either.
    const std::string_view given = url.reveal();
    if (!is_plain_utf8(given)) {
        return failure(Errc::Denied, "that holds characters that no address has");
    }
    AdminArguments arguments;
    arguments.add("session", text("session")).add("url", given);
    const int step = this->step();
    Result<void> taken = take(talk_.call("login_answer", std::move(arguments).finish(), kPatience));
    if (!taken && !is_late(taken.error())) {
        return taken;
    }
    answered_step_ = step;
    return {};
}

bool LoginSession::cancel() {
    if (!waiting()) {
        return true;
    }
    return take(talk_.call_last("login_cancel", session_arguments(), kCancelPatience)).has_value();
}

bool LoginSession::is_late(const Error& error) const {
    const bool called_off = console_.interrupt != nullptr && console_.interrupt->seen();
    return error.code == Errc::Timeout && !called_off;
}

bool LoginSession::storing() const {
    return waiting() && now_["storing"].isBool() && now_["storing"].asBool();
}

bool LoginSession::busy() const {
    const bool wanted = now_["authorize_url"].isString() || now_["user_code"].isString();
    return waiting() && (storing() || !wanted || step() == answered_step_);
}

std::string LoginSession::missing() const {
    const Json::Value& resources = now_["resources"];
    const Json::Value& consented = now_["consented"];
    std::string words;
    for (Json::ArrayIndex i = 0; resources.isArray() && i < resources.size(); ++i) {
        const bool has = consented.isArray() && std::find(consented.begin(), consented.end(),
                                                          resources[i]) != consented.end();
        if (!has) {
            words += (words.empty() ? "" : ", ") + shown(resources[i]);
        }
    }
    return words;
}

std::vector<std::string> LoginSession::new_warnings() {
    std::vector<std::string> fresh;
    const Json::Value& list = now_["warnings"];
    for (Json::ArrayIndex i = 0; list.isArray() && i < list.size(); ++i) {
        std::string words =
            list[i].isString() ? printable(list[i].asString(), kMaxLineBytes) : std::string();
        if (!words.empty() && std::find(given_warnings_.begin(), given_warnings_.end(), words) ==
                                  given_warnings_.end()) {
            given_warnings_.push_back(words);
            fresh.push_back(std::move(words));
        }
    }
    return fresh;
}

Result<void> LoginSession::take(Result<Json::Value> answer) {
    if (!answer) {
        return tl::unexpected(answer.error());
    }
    if (!answer->isObject() || !(*answer)["state"].isString()) {
        return failure(Errc::Protocol, "garbled answer: no login document");
    }
    const auto changed = [&](const char* name) { return now_[name] != (*answer)[name]; };
    const bool news = changed("step") || changed("state") || changed("storing");
    now_ = std::move(*answer);
    const Json::Value& left = now_["expires_in"];
    deadline_ = BootClock::now() +
                std::chrono::seconds(
                    left.isInt64() ? std::clamp<std::int64_t>(left.asInt64(), 0, kLongestStep) : 0);
    if (done()) {
        now_["complete"] = missing().empty();
    }
    if (news && console_.json) {
        console_.document(agent::compact(now_));
    }
    return {};
}

std::string LoginSession::text(const char* name) const {
    const Json::Value& value = now_[name];
    // Some of it are words of a server, on their way to a terminal.
    return value.isString() ? printable(value.asString(), kMaxLineBytes) : std::string();
}

int LoginSession::step() const {
    const Json::Value& value = now_["step"];
    return value.isInt() ? value.asInt() : 0;
}

std::string LoginSession::time_left() const {
    const auto left = std::chrono::ceil<std::chrono::seconds>(
        std::max(deadline_ - BootClock::now(), BootClock::duration(0)));
    return human_duration(left.count()) + " left";
}

}  // namespace postbearer::cli
