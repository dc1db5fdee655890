// SPDX-License-Identifier: Apache-2.0
#include "tests/support/programs.hh"

#include <stdlib.h>

#include "tests/support/failure.hh"

namespace postbearer::test {
namespace {

constexpr const char* kSystemModules[] = {"/usr/lib/x86_64-linux-gnu/sasl2",
                                          "/usr/lib/aarch64-linux-gnu/sasl2", "/usr/lib/sasl2"};

Path named(const char* variable, const char* built) {
    const char* value = ::getenv(variable);  // NOLINT(concurrency-mt-unsafe)
    const Path path = value != nullptr && *value != '\0' ? value : built;
    if (!std::filesystem::exists(path)) {
        fail(std::string(variable) + " names nothing and this build has made none: '" +
             path.string() + "'");
    }
    return std::filesystem::absolute(path);
}

Path system_module(const std::string& name) {
    for (const char* directory : kSystemModules) {
        if (std::filesystem::exists(Path(directory) / name)) {
            return Path(directory) / name;
        }
    }
    fail("Cyrus SASL's " + name + " is not installed (libsasl2-modules)");
}

}  // namespace

Path Programs::plugin() { return named("POSTBEARER_PLUGIN", BUILT_PLUGIN); }

Path Programs::agent() { return named("POSTBEARER_AGENT", BUILT_AGENT); }

Path Programs::milter() { return named("POSTBEARER_MILTER", BUILT_MILTER); }

Path Programs::cli() { return named("POSTBEARER_CLI", BUILT_CLI); }

Path Programs::rehearsal() { return named("POSTBEARER_REHEARSAL", BUILT_REHEARSAL); }

Path Programs::kill_point() { return named("POSTBEARER_KILL_POINT", BUILT_KILL_POINT); }

Path Programs::plain_timers() { return named("POSTBEARER_PLAIN_TIMERS", BUILT_PLAIN_TIMERS); }
Path Programs::quickstart() { return named("POSTBEARER_QUICKSTART", BUILT_QUICKSTART); }

Path make_sasl_directory(const Path& directory, const std::vector<std::string>& modules) {
    make_directory(directory);
    // A copy: the build directory may be closed to other users, and holds more than the plugin.
    std::filesystem::copy_file(Programs::plugin(), directory / "libpostbearer.so",
                               std::filesystem::copy_options::overwrite_existing);
    for (const std::string& name : modules) {
        std::filesystem::copy_file(system_module(name), directory / name,
                                   std::filesystem::copy_options::overwrite_existing);
    }
    return directory;
}

}  // namespace postbearer::test
