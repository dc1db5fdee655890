// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/log_count.hh"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace postbearer::bench {

LogCount::LogCount(const test::Path& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    (void)::lseek(fd_.get(), 0, SEEK_END);
}

std::size_t LogCount::of(std::string_view word) {
    std::array<char, 64 * 1024> buffer{};
    for (ssize_t got = 0; (got = ::read(fd_.get(), buffer.data(), buffer.size())) > 0;) {
        text_.append(buffer.data(), static_cast<std::size_t>(got));
    }
    std::size_t end = 0;
    for (std::size_t at = 0; (at = text_.find(word, end)) != std::string::npos; ++count_) {
        end = at + word.size();
    }
    text_.erase(0, std::max(end, text_.size() - std::min(text_.size(), word.size())));
    return count_;
}

}  // namespace postbearer::bench
