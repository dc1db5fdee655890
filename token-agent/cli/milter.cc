// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/milter.hh"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <system_error>

namespace postbearer::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kProgramName = "postbearer-milter";

std::vector<char*> argument_pointers(std::vector<std::string>& words) {
    std::vector<char*> pointers;
    pointers.reserve(words.size() + 1);
    for (std::string& word : words) {
        pointers.push_back(word.data());
    }
    pointers.push_back(nullptr);
    return pointers;
}

}  // namespace

std::optional<std::string> milter_program() {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
    const char* chosen = ::secure_getenv("POSTBEARER_MILTER_PROGRAM");
    std::error_code error;
    const fs::path self = fs::read_symlink("/proc/self/exe", error);
    const std::string candidates[] = {
        chosen == nullptr ? "" : chosen,
        (self.parent_path().parent_path() / "sbin" / kProgramName).string(),
        std::string(POSTBEARER_SBIN_DIR "/") + kProgramName};
    for (const std::string& path : candidates) {
        if (!path.empty() && ::access(path.c_str(), X_OK) == 0) {
            return path;
        }
    }
    return std::nullopt;
}

int become_milter(std::string_view verb, const std::vector<std::string>& arguments) {
    const auto program = milter_program();
    if (!program) {
        return fail(verb,
                    "postbearer-milter is not installed; it does this (package "
                    "postbearer-milter)");
    }
    std::vector<std::string> words{*program};
    words.insert(words.end(), arguments.begin(), arguments.end());
    (void)std::fflush(stdout);
    (void)::execv(program->c_str(), argument_pointers(words).data());
    return fail(verb, *program + ": " + std::generic_category().message(errno));
}

std::optional<int> run_milter(const Options& options, const std::string& task) {
    const auto program = milter_program();
    const std::string file = (fs::path(options.config).parent_path() / "milter.toml").string();
    if (!program || ::access(file.c_str(), F_OK) != 0) {
        return std::nullopt;
    }
    std::vector<std::string> words{*program, task, "--config", file};
    (void)std::fflush(stdout);
    pid_t child = -1;
    const int error = ::posix_spawn(&child, program->c_str(), nullptr, nullptr,
                                    argument_pointers(words).data(), environ);
    int status = 0;
    if (error != 0) {
        return fail(task, *program + ": " + std::generic_category().message(error));
    }
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : static_cast<int>(kFailed);
}

}  // namespace postbearer::cli
