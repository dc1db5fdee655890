// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "tests/support/canned_agent.hh"

namespace postbearer::test {

/// An answer of admin.sock with one document.
[[nodiscard]] CannedAnswer document(const Json::Value& json);

/// The agent's end of admin.sock with answers of the test's choice. It writes the agent.toml that
/// leads to it, and answers pings itself.
class ScriptedAdmin {
public:
    struct Call {
        std::string verb;
        Json::Value arguments;
    };
    using Handler = std::function<CannedAnswer(const Call& call)>;

    ScriptedAdmin(const Path& directory, Handler handler);

    [[nodiscard]] std::string config() const { return config_.string(); }
    [[nodiscard]] std::vector<Call> calls() const;
    [[nodiscard]] std::vector<Call> calls(const std::string& verb) const;
    /// "login_plan login_start ..." in order.
    [[nodiscard]] std::string verbs() const;

private:
    CannedAnswer handle(const AgentAttributes& request, const Handler& handler);

    Path config_;
    mutable std::mutex mutex_;
    std::vector<Call> calls_;  // under mutex_
    CannedAgent agent_;
};

}  // namespace postbearer::test
