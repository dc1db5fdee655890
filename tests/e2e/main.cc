// SPDX-License-Identifier: Apache-2.0
// The end-to-end tests: real Postfix, Cyrus SASL and Dovecot in private directories. Run them
// through meson, which names the programs under test; they need root for the chroot.
#include <unistd.h>

#include <cstdio>

#define BOOST_TEST_NO_MAIN
#include <boost/test/results_collector.hpp>
#include <boost/test/unit_test.hpp>

#include "tests/support/process.hh"
#include "tests/support/temp_dir.hh"
#include "tests/support/wait.hh"

namespace {

constexpr int kSkipped = 77;  // of meson's protocol

bool current_case_failed() {
    namespace ut = boost::unit_test;
    return !ut::results_collector.results(ut::framework::current_test_unit().p_id).passed();
}

/// After each case: nothing that it started lives.
struct NothingIsLeft : boost::unit_test::test_observer {
    void test_unit_finish(const boost::unit_test::test_unit& unit, unsigned long) override {
        if (unit.p_type != boost::unit_test::TUT_CASE) {
            return;
        }
        using postbearer::test::live_descendants;
        const bool gone = postbearer::test::holds_within(std::chrono::seconds(10), [] {
            postbearer::test::reap_orphans();
            return live_descendants().empty();
        });
        if (!gone) {
            for (const std::string& process : live_descendants()) {
                std::fprintf(stderr, "left running by %s: %s\n", unit.p_name->c_str(),
                             process.c_str());
            }
            left_something = true;
        }
    }
    /// After Boost's own observer of the start, whose flag is not initialised until it has been
    /// called (1.74): before it, chance decides whether nothing runs and the exit code is 200.
    int priority() override { return 1; }
    bool left_something = false;
};

NothingIsLeft observer;

bool init() {
    postbearer::test::adopt_orphans();
    postbearer::test::set_failure_probe(&current_case_failed);
    boost::unit_test::framework::register_observer(observer);
    return true;
}

}  // namespace

int main(int argc, char** argv) {
    if (::geteuid() != 0) {
        std::puts("skipped: a private Postfix needs root");
        return kSkipped;
    }
    const int code = boost::unit_test::unit_test_main(&init, argc, argv);
    return observer.left_something ? 1 : code;
}
