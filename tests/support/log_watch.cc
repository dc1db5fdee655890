// SPDX-License-Identifier: Apache-2.0
#include "tests/support/log_watch.hh"

#include "tests/support/failure.hh"

namespace postbearer::test {

void Pattern::Free::operator()(regex_t* compiled) const noexcept {
    ::regfree(compiled);
    delete compiled;
}

Pattern::Pattern(std::string text) : text_(std::move(text)) {
    auto fresh = std::make_unique<regex_t>();
    if (::regcomp(fresh.get(), text_.c_str(), REG_EXTENDED | REG_NOSUB) != 0) {
        fail("not a regular expression: " + text_);
    }
    compiled_.reset(fresh.release());
}

bool Pattern::found_in(const std::string& line) const {
    return ::regexec(compiled_.get(), line.c_str(), 0, nullptr, 0) == 0;
}

std::string literally(const std::string& text) {
    std::string escaped;
    for (const char c : text) {
        if (std::string_view("\\^$.[]|()*+?{}").find(c) != std::string_view::npos) {
            escaped += '\\';
        }
        escaped += c;
    }
    return escaped;
}

std::vector<std::string> LogWatch::lines(const std::string& pattern) const {
    const Pattern wanted(pattern);
    std::string text = read_file(path_, offset_);
    text.resize(text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n') + 1);
    std::vector<std::string> found;
    for (std::string& line : split_lines(text)) {
        if (wanted.found_in(line)) {
            found.push_back(std::move(line));
        }
    }
    return found;
}

std::string LogWatch::wait_for(const std::string& pattern,
                               std::chrono::milliseconds patience) const {
    wait_for_count(1, pattern, patience);
    return lines(pattern).front();
}

void LogWatch::wait_for_count(std::size_t count, const std::string& pattern,
                              std::chrono::milliseconds patience) const {
    wait_until(
        std::to_string(count) + " x /" + pattern + "/ in " + path_.string(),
        [&] { return lines(pattern).size() >= count; }, patience,
        [&] { return "the log ends:\n" + tail(path_); });
}

}  // namespace postbearer::test
