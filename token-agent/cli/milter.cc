// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/milter.hh"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "common/unique_fd.hh"

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

class SpawnActions {
public:
    SpawnActions() { (void)::posix_spawn_file_actions_init(&actions_); }
    ~SpawnActions() { (void)::posix_spawn_file_actions_destroy(&actions_); }
    SpawnActions(const SpawnActions&) = delete;
    SpawnActions& operator=(const SpawnActions&) = delete;
    SpawnActions(SpawnActions&&) = delete;
    SpawnActions& operator=(SpawnActions&&) = delete;
    void redirect(int from, int to) {
        (void)::posix_spawn_file_actions_adddup2(&actions_, from, to);
    }
    [[nodiscard]] const posix_spawn_file_actions_t* get() const noexcept { return &actions_; }

private:
    posix_spawn_file_actions_t actions_{};
};

std::string read_all(const UniqueFd& fd) {
    std::string text;
    std::array<char, 4096> bytes{};
    for (;;) {
        const ssize_t got = fd.valid() ? ::read(fd.get(), bytes.data(), bytes.size()) : 0;
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return text;
        }
        text.append(bytes.data(), static_cast<std::size_t>(got));
    }
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

std::optional<MilterRun> run_milter(const Options& options, const std::string& task,
                                    Output output) {
    const auto program = milter_program();
    const std::string file = (fs::path(options.config).parent_path() / "milter.toml").string();
    if (!program || ::access(file.c_str(), F_OK) != 0) {
        return std::nullopt;
    }
    std::vector<std::string> words{*program, task, "--config", file};
    int ends[2] = {-1, -1};
    if (output == Output::Kept && ::pipe2(ends, O_CLOEXEC) != 0) {
        return MilterRun{kFailed, std::generic_category().message(errno)};
    }
    UniqueFd read_end(ends[0]);
    UniqueFd write_end(ends[1]);
    SpawnActions actions;
    if (write_end.valid()) {
        actions.redirect(write_end.get(), STDOUT_FILENO);
        actions.redirect(write_end.get(), STDERR_FILENO);
    }
    (void)std::fflush(stdout);
    pid_t child = -1;
    const int error = ::posix_spawn(&child, program->c_str(), actions.get(), nullptr,
                                    argument_pointers(words).data(), environ);
    write_end.reset();
    if (error != 0) {
        return MilterRun{kFailed, *program + ": " + std::generic_category().message(error)};
    }
    MilterRun run;
    run.output = read_all(read_end);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    run.code = WIFEXITED(status) ? WEXITSTATUS(status) : static_cast<int>(kFailed);
    return run;
}

}  // namespace postbearer::cli
