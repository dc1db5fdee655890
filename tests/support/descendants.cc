// SPDX-License-Identifier: Apache-2.0
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cctype>
#include <set>
#include <sstream>

#include "tests/support/failure.hh"
#include "tests/support/process.hh"

namespace postbearer::test {
namespace {

struct Entry {
    pid_t pid = 0;
    pid_t parent = 0;
    char state = '?';
    std::string name;
};

/// proc(5): "pid (name) state ppid ..."; the name may hold blanks and parentheses.
Entry parse_stat(const std::string& stat) {
    Entry entry;
    const std::size_t open = stat.find('(');
    const std::size_t close = stat.rfind(')');
    if (open == std::string::npos || close == std::string::npos) {
        return entry;
    }
    entry.name = stat.substr(open + 1, close - open - 1);
    std::istringstream rest(stat.substr(close + 1));
    rest >> entry.state >> entry.parent;
    entry.pid = static_cast<pid_t>(std::stol(stat));
    return entry;
}

std::vector<Entry> all_processes() {
    std::vector<Entry> entries;
    std::error_code error;
    for (const auto& item : std::filesystem::directory_iterator("/proc", error)) {
        if (std::isdigit(static_cast<unsigned char>(item.path().filename().string()[0])) != 0) {
            Entry entry = parse_stat(read_file(item.path() / "stat"));
            if (entry.pid > 0) {
                entries.push_back(std::move(entry));
            }
        }
    }
    return entries;
}

}  // namespace

void adopt_orphans() {
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        fail_errno("PR_SET_CHILD_SUBREAPER");
    }
}

std::vector<std::string> live_descendants() {
    const std::vector<Entry> entries = all_processes();
    std::set<pid_t> family{::getpid()};
    std::vector<std::string> live;
    for (bool grown = true; grown;) {
        grown = false;
        for (const Entry& entry : entries) {
            if (family.count(entry.parent) != 0 && family.insert(entry.pid).second) {
                grown = true;
                if (entry.state != 'Z' && entry.state != 'X') {
                    live.push_back(std::to_string(entry.pid) + " " + entry.name);
                }
            }
        }
    }
    return live;
}

void reap_orphans() {
    int status = 0;
    while (::waitpid(-1, &status, WNOHANG) > 0) {
    }
}

}  // namespace postbearer::test
