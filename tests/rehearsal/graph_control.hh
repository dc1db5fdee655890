// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "control_answer.hh"
#include "graph_state.hh"

namespace postbearer::rehearsal {

/// What the tests say below /graph on control.sock (README.md).
class GraphControl {
public:
    explicit GraphControl(GraphState& state) : state_(state) {}

    /// `path` is what comes behind /graph.
    [[nodiscard]] ControlAnswer handle(const HttpRequest& request,
                                       const std::vector<std::string>& path, WallTime now);
    void add_counters(std::map<std::string, std::uint64_t>& counters) const;
    /// DELETE /records.
    void reset();

private:
    [[nodiscard]] ControlAnswer read(const HttpRequest& request, const std::string& what) const;
    [[nodiscard]] ControlAnswer write(const std::string& what, const Json::Value& json,
                                      WallTime now);
    [[nodiscard]] ControlAnswer message(const HttpRequest& request,
                                        const std::string& number) const;
    [[nodiscard]] ControlAnswer put_in_inbox(const Json::Value& json, WallTime now);

    GraphState& state_;
};

}  // namespace postbearer::rehearsal
