// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/files.hh"

namespace postbearer::test {

/// What is under test, from the environment: POSTBEARER_PLUGIN (the .so), POSTBEARER_AGENT,
/// POSTBEARER_CLI, POSTBEARER_REHEARSAL. meson sets them to the build; an installed system may be
/// named instead. Asking for one that is not set fails the test.
struct Programs {
    [[nodiscard]] static Path plugin();
    [[nodiscard]] static Path agent();
    [[nodiscard]] static Path cli();
    [[nodiscard]] static Path rehearsal();
};

/// A directory with the plugin alone, and Debian's own `modules` ("libplain.so") where a test
/// needs them: SASL_PATH for one test.
[[nodiscard]] Path make_sasl_directory(const Path& directory,
                                       const std::vector<std::string>& modules = {});

}  // namespace postbearer::test
