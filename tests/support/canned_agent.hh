// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/unique_fd.hh"
#include "tests/support/files.hh"

namespace postbearer::test {

using AgentAttributes = std::map<std::string, std::string>;

/// What a canned agent does with one request.
struct CannedAnswer {
    enum class Kind { Text, Hang, Close, Drip };
    Kind kind = Kind::Text;
    std::string text;  // sent as it is; attributes() makes a well-formed one
};

[[nodiscard]] CannedAnswer attributes(const AgentAttributes& answer);
[[nodiscard]] CannedAnswer granted(const std::string& token, const std::string& user);
[[nodiscard]] CannedAnswer refused(const std::string& failure_class, const std::string& code,
                                   const std::string& message);
[[nodiscard]] CannedAnswer hanging();
[[nodiscard]] CannedAnswer closing();

/// The agent's end of agent.sock with answers of the test's choice, in a thread of its own. It
/// speaks the framing without common/, so that it can judge the plugin.
class CannedAgent {
public:
    using Handler = std::function<CannedAnswer(const AgentAttributes& request)>;

    CannedAgent(Path socket, Handler handler);
    ~CannedAgent();
    CannedAgent(CannedAgent&&) = delete;
    CannedAgent& operator=(CannedAgent&&) = delete;
    CannedAgent(const CannedAgent&) = delete;
    CannedAgent& operator=(const CannedAgent&) = delete;

    [[nodiscard]] std::vector<AgentAttributes> requests() const;
    [[nodiscard]] std::vector<AgentAttributes> requests(const std::string& verb) const;

private:
    struct Connection;

    void listen();
    void serve();
    bool serve_one(Connection& connection);

    Path socket_;
    Handler handler_;
    UniqueFd listener_;
    UniqueFd stop_;
    mutable std::mutex mutex_;
    std::vector<AgentAttributes> requests_;  // under mutex_
    std::thread thread_;
};

}  // namespace postbearer::test
