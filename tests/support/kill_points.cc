// SPDX-License-Identifier: Apache-2.0
#include "tests/support/kill_points.hh"

#include <algorithm>
#include <sstream>

#include "tests/support/programs.hh"

namespace postbearer::test {

std::map<std::string, std::string> KillPoint::environment() const {
    std::map<std::string, std::string> environment{{"LD_PRELOAD", Programs::kill_point()},
                                                   {"KILL_POINT_COMM", program}};
    for (const auto& [name, value] : {std::pair<const char*, std::string>{"KILL_POINT", point},
                                      {"KILL_TRACE", trace},
                                      {"KILL_TRIGGER", trigger}}) {
        if (!value.empty()) {
            environment.emplace(name, value);
        }
    }
    return environment;
}

std::vector<TracedCall> traced_calls(const Path& trace) {
    std::vector<TracedCall> calls;
    if (!std::filesystem::exists(trace)) {
        return calls;
    }
    for (const std::string& line : split_lines(read_file(trace))) {
        TracedCall call;
        std::istringstream words(line);
        std::chrono::nanoseconds::rep at = 0;
        words >> call.call >> call.object >> call.bytes >> at;
        call.at = std::chrono::nanoseconds(at);
        calls.push_back(std::move(call));
    }
    return calls;
}

std::size_t count_calls(const std::vector<TracedCall>& calls, const std::string& call,
                        const std::string& part) {
    const auto counted = std::count_if(calls.begin(), calls.end(), [&](const TracedCall& each) {
        const bool on_disk = each.call != "ssl_write" && each.call != "ssl_read" &&
                             each.call != "send" && each.call != "recv";
        return (each.call == call || (call == "disk" && on_disk)) &&
               each.object.find(part) != std::string::npos;
    });
    return static_cast<std::size_t>(counted);
}

}  // namespace postbearer::test
