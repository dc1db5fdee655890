// SPDX-License-Identifier: Apache-2.0
#include "tests/e2e/login_dialogue.hh"

#include <sys/stat.h>

#include <regex>

#include "tests/support/failure.hh"
#include "tests/support/programs.hh"
#include "tests/support/wait.hh"

namespace postbearer::test {

using namespace std::chrono_literals;

LoginDialogue::LoginDialogue(const Path& directory, const std::vector<std::string>& words,
                             const Path& configuration)
    : output_(directory / "login.out"), keys_path_(directory / "login.keys") {
    std::filesystem::remove(output_);
    std::filesystem::remove(keys_path_);
    if (::mkfifo(keys_path_.c_str(), 0600) != 0) {
        fail_errno("mkfifo");
    }
    keys_.open(keys_path_, std::ios::in | std::ios::out);  // never at its end
    std::vector<std::string> argv{
        "sh", "-c", "exec \"$@\" <" + keys_path_.string(), "sh", Programs::cli(), "login"};
    argv.insert(argv.end(), words.begin(), words.end());
    argv.insert(argv.end(), {"--config", configuration});
    process_ = Process({.argv = argv, .output_file = output_});
}

std::string LoginDialogue::says(const std::string& expression) {
    const std::regex pattern(expression);
    std::smatch found;
    std::string text;
    wait_until(
        "postbearer login to say " + expression,
        [&] {
            text = said();
            if (std::regex_search(text, found, pattern)) {
                return true;
            }
            if (!process_.running()) {
                fail("postbearer login ended:\n" + text);
            }
            return false;
        },
        kPatience, [&] { return said(); });
    return found[1];
}

ExitStatus LoginDialogue::end() {
    const auto status = process_.wait(60s);
    if (!status) {
        fail("postbearer login does not end:\n" + said());
    }
    return *status;
}

std::string LoginDialogue::said() const { return read_file(output_); }

}  // namespace postbearer::test
