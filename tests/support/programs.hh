// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/files.hh"

namespace postbearer::test {

/// What is under test: what this build made, unless the environment names something else, such as
/// an installed system, by POSTBEARER_PLUGIN (the .so), POSTBEARER_AGENT, POSTBEARER_MILTER,
/// POSTBEARER_CLI or POSTBEARER_REHEARSAL. Asking for one that does not exist fails the test.
struct Programs {
    [[nodiscard]] static Path plugin();
    [[nodiscard]] static Path agent();
    [[nodiscard]] static Path milter();
    [[nodiscard]] static Path cli();
    [[nodiscard]] static Path rehearsal();
    /// Not under test: kill_point.c, to be preloaded.
    [[nodiscard]] static Path kill_point();
    /// plain_timers.c, likewise.
    [[nodiscard]] static Path plain_timers();
    /// What tests/quickstart runs.
    [[nodiscard]] static Path quickstart();
};

/// A directory with the plugin alone, and Debian's own `modules` ("libplain.so") where a test
/// needs them: SASL_PATH for one test.
[[nodiscard]] Path make_sasl_directory(const Path& directory,
                                       const std::vector<std::string>& modules = {});

}  // namespace postbearer::test
