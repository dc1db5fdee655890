// SPDX-License-Identifier: Apache-2.0
#pragma once

// One login with the agent, whatever the flow: the session, its steps, its end.

#include <json/value.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.hh"
#include "common/result.hh"
#include "token-agent/cli/admin_call.hh"
#include "token-agent/cli/command.hh"
#include "token-agent/cli/console.hh"

namespace postbearer::cli {

enum class Flow : std::uint8_t { Device, Browser, Paste };

class LoginSession {
public:
    LoginSession(const Options& options, const Console& console);

    /// login_plan. Error: a sentence.
    [[nodiscard]] Result<Json::Value> plan();
    /// login_start; `redirect_uri` for all but Flow::Device.
    [[nodiscard]] Result<void> start(Flow flow, const std::string& redirect_uri);
    /// login_wait: until something changed, 20 s at most; `tick` once a second.
    [[nodiscard]] Result<void> wait(const AdminTalk::Tick& tick);
    /// login_answer. Denied: the agent does not take it, and the session goes on. Success: it did
    /// or may have, which also an agent that gives no answer in time may.
    [[nodiscard]] Result<void> answer(const Secret& url);
    /// login_cancel, unless it has ended. A login that is complete is not given up: look at done()
    /// and waiting() then. False: the agent did not say what became of it.
    [[nodiscard]] bool cancel();

    [[nodiscard]] bool waiting() const { return state() == "waiting"; }
    [[nodiscard]] bool done() const { return state() == "done"; }
    /// Nothing is wanted of the person: the agent works on what it has of this step, or writes its
    /// store. What it holds then may be the only copy of the login, so no clock of ours ends it.
    [[nodiscard]] bool busy() const;
    [[nodiscard]] bool storing() const;
    /// Resources that a login that is done has no consent for; "" if it is complete.
    [[nodiscard]] std::string missing() const;
    /// Those that it has not given yet.
    [[nodiscard]] std::vector<std::string> new_warnings();
    [[nodiscard]] std::string text(const char* name) const;
    [[nodiscard]] int step() const;
    /// When this step's code or state ends.
    [[nodiscard]] BootTime deadline() const noexcept { return deadline_; }
    [[nodiscard]] std::string time_left() const;
    [[nodiscard]] const Json::Value& document() const noexcept { return now_; }

private:
    [[nodiscard]] std::string state() const { return text("state"); }
    [[nodiscard]] Result<void> take(Result<Json::Value> answer);
    /// No answer in time, and nobody pressed ctrl-C.
    [[nodiscard]] bool is_late(const Error& error) const;
    [[nodiscard]] Secret session_arguments() const;

    const Options& options_;
    const Console& console_;
    AdminTalk talk_;
    Json::Value now_;
    BootTime deadline_;
    int answered_step_ = 0;
    std::vector<std::string> given_warnings_;
};

/// The flows: each until the session has ended, or an error that is not the session's own.
[[nodiscard]] Result<void> device_flow(LoginSession& session, const Console& console);
[[nodiscard]] Result<void> browser_flow(LoginSession& session, const Console& console,
                                        const Options& options, const std::string& redirect_uri);
[[nodiscard]] Result<void> paste_flow(LoginSession& session, const Console& console,
                                      const Options& options, const std::string& redirect_uri);

}  // namespace postbearer::cli
