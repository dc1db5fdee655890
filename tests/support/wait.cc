// SPDX-License-Identifier: Apache-2.0
#include "tests/support/wait.hh"

#include <thread>

#include "tests/support/failure.hh"

namespace postbearer::test {

using namespace std::chrono_literals;

bool holds_within(std::chrono::milliseconds patience, const Condition& condition) {
    const Stopwatch watch;
    auto pause = 5ms;
    while (!condition()) {
        if (watch.elapsed() >= patience) {
            return condition();
        }
        std::this_thread::sleep_for(pause);
        pause = std::min(pause * 2, 50ms);
    }
    return true;
}

void wait_until(const std::string& what, const Condition& condition,
                std::chrono::milliseconds patience, const std::function<std::string()>& detail) {
    if (holds_within(patience, condition)) {
        return;
    }
    std::string message =
        "waited " + std::to_string(patience.count() / 1000) + " s in vain for " + what;
    if (detail) {
        message += "; " + detail();
    }
    fail(message);
}

}  // namespace postbearer::test
