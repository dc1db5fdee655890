// SPDX-License-Identifier: Apache-2.0
#include "common/config/problems.hh"

#include <algorithm>
#include <cassert>
#include <limits>
#include <tuple>
#include <utility>

namespace postbearer::config {

std::uint16_t Problems::add_file(std::string name) {
    assert(files_.size() < std::numeric_limits<std::uint16_t>::max());
    files_.push_back(std::move(name));
    return static_cast<std::uint16_t>(files_.size() - 1);
}

void Problems::error(Position at, std::string text) {
    problems_.push_back({at, Severity::Error, std::move(text)});
    ++errors_;
}

void Problems::warn(Position at, std::string text) {
    problems_.push_back({at, Severity::Warning, std::move(text)});
}

std::string Problems::describe(Position at) const {
    std::string out = at.file < files_.size() ? files_[at.file] : "configuration";
    if (at.line != 0) {
        out += ':' + std::to_string(at.line) + ':' + std::to_string(at.column);
    }
    return out;
}

std::vector<std::string> Problems::lines(Severity severity) const {
    std::vector<const Problem*> sorted;
    for (const Problem& problem : problems_) {
        if (problem.severity == severity) {
            sorted.push_back(&problem);
        }
    }
    // stable: two findings at one place stay in the order in which they were made
    std::stable_sort(sorted.begin(), sorted.end(), [](const Problem* a, const Problem* b) {
        return std::tie(a->at.file, a->at.line, a->at.column) <
               std::tie(b->at.file, b->at.line, b->at.column);
    });
    std::vector<std::string> out;
    out.reserve(sorted.size());
    for (const Problem* problem : sorted) {
        out.push_back(describe(problem->at) + ": " + problem->text);
    }
    return out;
}

}  // namespace postbearer::config
